"""Logins for mailboxes: tokens and passwords, and the secrets that they need."""
