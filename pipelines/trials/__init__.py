"""Trials of models and policies in worlds whose truth is known."""
