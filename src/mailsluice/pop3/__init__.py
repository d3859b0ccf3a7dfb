"""WIRE: a POP3 client. `protocol` is the sans-IO core, `client` the thin blocking shell around it."""
