"""Telling people: events of the domain become numbered messages in inboxes, text messages, and tasks for those who visit."""
