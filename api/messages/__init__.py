"""What is said to people outside: written down in the transaction that causes it, delivered by the worker."""
