"""What the service is asked, one module per subject, and who may ask it."""
