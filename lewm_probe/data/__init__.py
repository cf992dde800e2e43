"""Episodes on disk, windows cut from them, and their statistics."""
