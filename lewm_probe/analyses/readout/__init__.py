"""Regression from latents to physical quantities."""
