"""TwoRoom: two rooms, a door, and an agent."""
