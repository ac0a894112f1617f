"""Who gets which place at what time. The engine arrives with its own change; the room is reserved here."""
