"""Sources (files, packages, hub), preparation into splits, encoding and batching."""
