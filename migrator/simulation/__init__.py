"""Where pods land: the scheduler's rules that host ports and their replacements meet."""
