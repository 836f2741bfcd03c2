"""What was known before a declaration: by key and day, in training and in service alike."""
