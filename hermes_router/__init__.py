"""Route chat conversations to Hermes profiles, each served by a worker process of its own."""

__version__ = "0.1.0"
