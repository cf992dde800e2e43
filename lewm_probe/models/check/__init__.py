"""The conformance suite for world models."""
