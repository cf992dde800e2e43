"""What another package may bring along: a world, and a way to break an expectation in it."""
