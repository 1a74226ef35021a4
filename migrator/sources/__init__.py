"""Reading: files and streams become an Inventory."""
