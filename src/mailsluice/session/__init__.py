"""FLOW: one poll of one mailbox, top to bottom. Start at `run`."""
