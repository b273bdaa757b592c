"""Mirrors of a run: readers of its folder, each in its own process, so that none can slow or end training."""
