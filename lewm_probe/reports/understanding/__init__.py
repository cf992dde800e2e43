"""Does physical understanding predict planning? Measures of checkpoints against their success."""
