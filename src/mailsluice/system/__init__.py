"""What the program asks of the operating system, apart from files and connections."""
