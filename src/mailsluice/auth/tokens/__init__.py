"""Tokens: how long each is used, and by whom."""
