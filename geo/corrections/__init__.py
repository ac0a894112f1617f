"""Mistakes that residents report about a site (纠错): taken from anyone, accepted into an edit or declined, answered."""
