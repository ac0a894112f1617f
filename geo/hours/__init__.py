"""Opening hours: what a text means, what a day's hours are, and whether a site is open at an instant."""
