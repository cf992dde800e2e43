"""Questions answered in words, by rules fixed before the data."""
