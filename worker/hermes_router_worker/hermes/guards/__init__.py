"""Hermes's own guards of files, extended to every home that a worker must leave alone.

Hermes computes most protected paths from ``~``. A worker's HOME is its profile's, so without this
package the guards would protect that home and forget the account's.
"""

from hermes_router_worker.hermes.guards.install import install

__all__ = ["install"]
