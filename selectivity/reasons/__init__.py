"""Why a declaration has its lane, in words of those who are told."""
