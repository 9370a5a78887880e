"""A Django project as it was before the kit: other table names, 32-bit ids, its own way to reserve, and live data."""
