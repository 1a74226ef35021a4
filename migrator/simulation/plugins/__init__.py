"""The scheduler's plugins, one per file and named as upstream's, in the order in which it asks them."""
