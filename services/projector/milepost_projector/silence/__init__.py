"""Watches for files that nobody works on any more, and says so in the log."""
