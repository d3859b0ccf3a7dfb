"""A simulated Entra ID and Exchange Online POP3 on loopback, for the demo and for tests."""
