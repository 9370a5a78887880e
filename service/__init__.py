"""The reference service: stock reservation in a flash sale."""
