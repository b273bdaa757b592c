"""Which difference is real: statistics over runs."""
