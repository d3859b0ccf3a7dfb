"""Observation: the log, its events, and what may be shown in them."""
