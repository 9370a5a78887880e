"""Read what a running system says of itself; no advice."""
