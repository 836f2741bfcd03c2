"""Who may call the service: API keys and tokens, in which roles, until when."""
