"""Statistics on plain arrays: numpy and scipy, no word of the field."""
