"""Where the decision log lies, in a file or a database: its tables, and the chain through them."""
