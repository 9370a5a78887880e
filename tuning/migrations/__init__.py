"""Read a project's SQL files and compare them with a server; nothing on it is changed."""
