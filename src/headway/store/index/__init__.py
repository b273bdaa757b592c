"""The index: a cache of many run folders in one SQLite file, made again by deleting it."""
