"""What is remembered: latents and measurements."""
