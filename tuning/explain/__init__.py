"""Plans: read from every form that PostgreSQL prints, run safely, and judged."""
