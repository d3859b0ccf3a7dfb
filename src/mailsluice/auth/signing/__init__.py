"""Signing in: a person lets mailsluice open mailboxes in their name."""
