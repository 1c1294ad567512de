"""The query service: answers over HTTP where the processing of a file stands."""
