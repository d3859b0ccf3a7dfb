"""Connections: what POP3 and the requests for tokens share."""
