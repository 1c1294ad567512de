"""Hypothesis without a deadline: a machine under load is no counterexample."""

from hypothesis import settings

settings.register_profile("milepost", deadline=None, print_blob=True)
settings.load_profile("milepost")
