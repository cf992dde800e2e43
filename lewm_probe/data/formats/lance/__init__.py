"""Episodes as Lance tables."""
