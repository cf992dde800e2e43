"""How surprise is shown."""
