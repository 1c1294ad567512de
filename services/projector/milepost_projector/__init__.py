"""Folds progress events into the Redis read model."""
