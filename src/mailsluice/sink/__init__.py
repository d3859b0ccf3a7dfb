"""DURABLE: bytes become files that survive. `fs` alone syncs, renames and unlinks."""
