"""The other doors: IMAP and SMTP, tried with the same login."""
