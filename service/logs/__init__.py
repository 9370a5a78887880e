"""How lines are logged, and the id of the request that they belong to; imports the standard library alone."""
