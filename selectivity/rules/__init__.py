"""Rules of law and of the risk unit, as data."""
