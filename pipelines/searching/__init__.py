"""The parts of a search: what it asks, what it may try, and how far it is."""
