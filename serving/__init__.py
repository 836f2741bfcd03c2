"""The HTTP service and its command line: puts declarations in lanes and keeps a record of why."""
