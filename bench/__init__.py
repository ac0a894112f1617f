"""Measurements against the running system. Ratios within one run decide; absolute figures stand beside them."""
