"""What Hermes's own guards protect, widened to every home that a worker must leave alone.

Hermes computes most of them from ``~``. A worker's HOME is its profile's, so that alone they would
protect that home and forget the account's.
"""

from hermes_router_worker.hermes.guards.install import install

__all__ = ["install"]
