"""Hermes's cron as a worker uses it: one job that runs alone, recorded also when it is cut off.

Only this package knows ``cron.jobs``, ``cron.scheduler`` and ``cron.executions``. What a job worker
does around a run, and tells the gateway, is in :mod:`hermes_router_worker.jobs`.
"""
