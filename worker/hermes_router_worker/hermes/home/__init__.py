"""What Hermes keeps in a profile's home, and how it reads and writes it.

:mod:`hermes_router_worker.home` decides what a worker writes there; this package knows how.
"""
