"""Networks that models are built of."""
