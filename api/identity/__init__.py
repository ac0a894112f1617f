"""Who is calling: sign-in, sessions, access tokens, roles."""
