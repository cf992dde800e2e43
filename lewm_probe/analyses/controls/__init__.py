"""What learned nothing about the world, for comparison."""
