"""The old project's only application."""
