"""What runs, and how it goes: one value for the command, for programs, and for whatever shows it later."""
