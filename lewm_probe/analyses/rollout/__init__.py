"""How far imagination stays with what happens."""
