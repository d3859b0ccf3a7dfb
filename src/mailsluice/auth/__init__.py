"""WHO: logins in hand before a connection opens; secrets from where the configuration says."""
