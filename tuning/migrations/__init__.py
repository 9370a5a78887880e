"""Judge DDL before it runs: statements, what each does to its table, and rules that know live facts; runs no DDL."""
