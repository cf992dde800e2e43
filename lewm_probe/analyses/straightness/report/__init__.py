"""How straightness is shown."""
