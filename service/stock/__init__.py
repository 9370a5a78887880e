"""The reservation domain: stock, reservations and their ledger."""
