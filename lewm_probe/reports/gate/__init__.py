"""Gates: numbers that a model must reach, held against an audit before and after it."""
