"""How a data source becomes canonical tables: mapping files, cells, layouts, quarantine."""
