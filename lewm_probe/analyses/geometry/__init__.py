"""How latents fill their space."""
