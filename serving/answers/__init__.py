"""What callers read: every answer of the service, put together from what was decided and kept."""
