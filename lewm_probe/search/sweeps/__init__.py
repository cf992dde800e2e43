"""Ablations: one recipe, changed one axis at a time, all trained, measured and drawn."""
