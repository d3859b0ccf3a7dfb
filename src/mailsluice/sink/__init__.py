"""DURABLE: octets become files that survive. `files` alone syncs, renames and unlinks."""
