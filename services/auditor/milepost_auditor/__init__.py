"""Proves that the read model says what the log says, and tells what happened to a file."""
