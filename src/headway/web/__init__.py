"""The dashboard's server: reads what the store knows, writes nothing but marks, and is safe beside other web pages."""
