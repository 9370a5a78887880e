"""Checkout: pay for an order at a provider, and confirm or undo it whatever dies on the way."""
