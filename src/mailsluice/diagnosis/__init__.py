"""What an error probably means, and how to mend it."""
