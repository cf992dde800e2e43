"""Checkpoints in every shape on disk, read without running anything in them."""
