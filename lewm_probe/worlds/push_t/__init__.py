"""Push-T: a pusher and a block."""
