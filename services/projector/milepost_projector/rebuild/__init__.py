"""Rebuilds the read model beside the live one: `milepost rebuild`."""
