"""What the commands print: rich renderables, and the same as JSON."""
