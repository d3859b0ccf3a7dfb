"""Observation: what is said about the work, and to whom."""
