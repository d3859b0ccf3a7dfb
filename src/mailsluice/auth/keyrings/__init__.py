"""Keyrings: where secrets are kept, and what is sealed."""
