"""What is looked for, one rule per file; what is decided about it stands beside it as YAML."""
