"""Kernel: settings, database, errors, actor, clock, jobs, paging. Knows no domain and no HTTP."""
