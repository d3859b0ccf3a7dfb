"""Connections: what POP3 and the token side share."""
