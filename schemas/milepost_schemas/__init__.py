"""The contract of Milepost: events, topics, the fold and the read model's layout."""
