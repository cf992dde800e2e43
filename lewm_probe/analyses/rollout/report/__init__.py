"""How rollouts are shown."""
