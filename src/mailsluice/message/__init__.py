"""What a message says: its header, its identity, and its description for the spool. Pure."""
