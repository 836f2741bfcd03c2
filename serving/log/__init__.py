"""Keeps decisions, inspections and acts so that none is lost, doubled or changed unseen."""
