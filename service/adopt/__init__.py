"""Put the functions on the tables of a Django project that exists already; installs no model."""
