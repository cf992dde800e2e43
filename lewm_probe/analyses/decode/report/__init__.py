"""How decoded latents are shown."""
