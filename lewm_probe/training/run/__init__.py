"""One run on disk: its folder, its saved state, and whether its claims hold."""
