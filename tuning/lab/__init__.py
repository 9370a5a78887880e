"""Run a profile of the stack under load and collect what was measured."""
