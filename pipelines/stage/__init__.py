"""What stages stand on: command, options, params, files, tables, areas, what MLflow is told."""
