"""The conformance suite for worlds."""
