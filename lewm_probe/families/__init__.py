"""Families of trainable world models: a model and its objective, a file or folder each."""
