"""Many runs asked for at once: studies of families and seeds, and what they cost."""
