"""Headway trains language models, records every run, and says which difference is real."""

__version__ = "0.1.0"
