"""What is counted, for Prometheus: a low room that any other may import, and that imports none of them (ADR 25)."""
