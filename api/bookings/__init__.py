"""What a process keeps in memory so that booking is fast: it may refuse early, and never grants."""
