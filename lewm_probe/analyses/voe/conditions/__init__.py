"""Ways to break an expectation."""
