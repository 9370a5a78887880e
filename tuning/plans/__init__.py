"""Plans that were accepted, kept in a file, and held against those that a server makes of the same statements."""
