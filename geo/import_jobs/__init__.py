"""Files uploaded by staff: kept, checked, applied and undone. How one is read is the affair of ``geo/imports``."""
