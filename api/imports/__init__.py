"""Imports over HTTP: what the worker does with uploaded files (``work``), and how it is told to (``queue``, ``tasks``)."""
