"""What Hermes does in a home beside its turns, and when it is due again.

:mod:`hermes_router_worker.jobs.maintenance` says in which order a worker does it.
"""
