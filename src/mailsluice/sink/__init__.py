"""DURABLE: messages become files that survive a crash. Only `files` syncs, renames and unlinks them."""
