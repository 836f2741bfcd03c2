"""A simulated customs administration whose truth is known: world, shipments, violations, controls.

Every step draws from its own named random stream, so that another selection policy meets the very
same traders, goods and violations.
"""
