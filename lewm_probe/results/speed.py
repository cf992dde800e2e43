"""Names of what a training log says of the machine, not of the model."""

SPEED = frozenset({"frames_per_second", "loader_wait", "peak_memory_mb"})
"""Left out of curves and figures: two equal runs differ in them. The second is the share of a
run's time that it waited for data, the third the most memory that it held."""
