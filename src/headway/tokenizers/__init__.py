"""Tokenizers that a model does not bring itself: from the hub, or trained on the run's own texts."""
