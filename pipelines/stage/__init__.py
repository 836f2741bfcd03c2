"""What stages stand on: command, params, files and tables, areas, what MLflow is to be told."""
