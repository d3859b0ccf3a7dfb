"""The operating system, apart from files and connections: signals, users, limits, memory, local time."""
