"""mailsluice moves mail out of Exchange Online into a spool directory or a Maildir, exactly once."""

__version__ = "0.1.0"
