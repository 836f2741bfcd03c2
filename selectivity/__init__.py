"""The words of the field as types and pure functions: no files, clock, network or environment."""
