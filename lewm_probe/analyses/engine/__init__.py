"""What all analyses share."""
