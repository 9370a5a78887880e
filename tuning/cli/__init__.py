"""The ``hotrow`` command: one module for each command group, and the only place that prints."""
