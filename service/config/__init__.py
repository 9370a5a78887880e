"""Settings read from the environment, the URL root, WSGI and gunicorn."""
