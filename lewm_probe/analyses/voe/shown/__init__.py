"""What is shown: matched cases, the strength of a disturbance, filmstrips."""
