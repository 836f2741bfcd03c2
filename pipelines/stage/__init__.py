"""What stages stand on: command, params, files and tables, what MLflow is to be told."""
