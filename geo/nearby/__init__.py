"""The nearest published sites, from memory. ``page`` answers, ``index`` finds, ``feed`` follows the database."""
