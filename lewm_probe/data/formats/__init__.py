"""Ways to store episodes, one sub-room a family of formats."""
