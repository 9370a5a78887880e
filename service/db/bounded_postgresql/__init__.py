"""Django's PostgreSQL back end with connections that wait for an answer only so long."""
