"""What can be done about a host port, one strategy per file, each with its texts and its template."""
