"""Health, readiness, and how errors look on the wire."""
