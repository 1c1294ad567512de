"""A campaign: random faults, one after the other, under a load that never ends."""
