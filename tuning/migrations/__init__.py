"""Judge DDL before it runs, with live facts, and compare a server with the SQL files; runs no DDL that stays."""
