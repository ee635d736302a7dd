"""Workers for tests: a real Hermes without a gateway, made-up ones, and hostile ones."""
