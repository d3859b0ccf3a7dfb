"""When mailboxes are polled, and who waits for whom."""
