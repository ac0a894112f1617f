"""What can be booked and what is still free, for readers: nothing here takes a place or locks a row."""
