"""The set-up of a tenant, step by step."""
