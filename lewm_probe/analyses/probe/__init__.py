"""Which quantities can be read from latents."""
