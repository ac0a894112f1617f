"""From rows of the domain to answers."""
