"""What is asked of the log afterwards: prove, replay, explain, export, copy."""
