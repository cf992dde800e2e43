"""What another package may bring along: a world, a condition in it, an analysis, a data format."""
