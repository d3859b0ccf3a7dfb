"""What the daemon and the mailboxes do: one value for the command, for programs and for later displays."""
