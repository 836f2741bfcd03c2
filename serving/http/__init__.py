"""Requests and answers as they go over the wire: connections, limits, bodies, refusals."""
