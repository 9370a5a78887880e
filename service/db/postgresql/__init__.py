"""Django's PostgreSQL backend with an eye on deadlines; the name that `DATABASES` calls it by."""
