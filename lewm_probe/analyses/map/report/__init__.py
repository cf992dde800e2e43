"""How maps are shown."""
