"""Locust users and the record of what they did: over HTTP alone."""
