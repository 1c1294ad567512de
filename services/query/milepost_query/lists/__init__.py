"""Lists of a store's files, and searches in them."""
