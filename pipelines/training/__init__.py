"""What fits models: outcomes, rows that teach, boosters, periods, points."""
