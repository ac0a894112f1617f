"""Sites: what may be said of one (``input``), writing many (``store``), reading published ones (``read``)."""
