"""Say what the result of a load test shows, what limited it, what it cannot show, and by which law."""
