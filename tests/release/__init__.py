"""The next release of a shop: everything that a release may do to a live table."""
