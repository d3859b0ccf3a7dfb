"""WHAT: a listing and what the ledger remembers become one decision for each message. Pure."""
