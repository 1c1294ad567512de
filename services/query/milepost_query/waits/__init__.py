"""Waiting for news: held requests, streams and batches."""
