"""A report in the format in which it is to be read: a module each, and what all of them show."""
