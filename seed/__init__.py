"""A synthetic demo city, made by calling the domain's own functions."""
