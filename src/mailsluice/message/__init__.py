"""What a message says: its header, its identity, and what a spool's description takes of it. Pure."""
