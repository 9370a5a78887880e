"""Before Django: what is let in, how long it may take, and how a worker ends; imports neither Django nor psycopg."""
