"""What we hold of people: for how long, shown to them whole, and erased when they say so (docs/privacy.md)."""
