"""Trials of models and policies where the truth is known: in worlds, and in histories."""
