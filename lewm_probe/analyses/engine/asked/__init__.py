"""What is asked: checkpoints, suites, trajectories."""
