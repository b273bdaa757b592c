"""Metrics as pure functions of the gathered predictions of a split: (values by name, details as plain JSON data)."""
