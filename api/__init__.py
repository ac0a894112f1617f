"""How processes start and who is calling: app, worker, command line, routes."""
