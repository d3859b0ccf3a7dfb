"""The check of a mailbox: every step on the way to its mail, without touching a message."""
