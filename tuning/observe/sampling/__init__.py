"""The sources of a timeline, one a module, and the loop that asks each of them."""
