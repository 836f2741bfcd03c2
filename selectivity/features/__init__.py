"""What the model looks at, each with the law that allows it."""
