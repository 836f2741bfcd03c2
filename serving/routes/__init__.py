"""What the service answers, one module per subject."""
