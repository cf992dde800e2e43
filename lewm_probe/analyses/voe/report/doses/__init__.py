"""Doses: how small a violation is still told apart."""
