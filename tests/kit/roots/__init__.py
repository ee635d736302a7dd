"""Hermes homes and installations for tests, and the user who runs them."""
