"""HTTP routes, one module per domain module of the same name."""
