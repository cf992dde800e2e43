"""Objectives, the training loop and its recipes."""
