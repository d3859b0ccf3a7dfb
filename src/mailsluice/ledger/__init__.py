"""STATE: the durable record of every message, and the lock on every mailbox."""
