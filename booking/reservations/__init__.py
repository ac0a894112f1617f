"""A reservation's life: reserve, confirm, cancel, move, check in, expire."""
