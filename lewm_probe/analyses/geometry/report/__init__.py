"""How geometry is shown."""
