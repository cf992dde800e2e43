"""How straight latent paths are."""
