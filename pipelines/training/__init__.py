"""What fits models: rows that teach, boosters, periods, points."""
