"""What was known before each goods item, in bulk: the specification as SQL, on any engine."""
