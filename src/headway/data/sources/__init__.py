"""Where data comes from: functions that return one Arrow table per split. A new one is a file here and a YAML."""
