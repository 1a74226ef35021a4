"""The policy file: found, read, checked, and laid over the built-in policy."""
