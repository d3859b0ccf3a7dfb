"""WHAT: decides for each message, by the listing and by what the ledger remembers. Pure."""
