"""Asking everything of some checkpoints: commands, notebooks, training loops, the demo."""
