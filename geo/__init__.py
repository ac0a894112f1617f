"""Where: sites, hours and calendars, coordinate systems, search, nearby, areas and districts."""
