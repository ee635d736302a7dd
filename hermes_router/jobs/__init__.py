"""What routed profiles do by the clock: cron jobs and the maintenance of their homes.

Decides what is due and runs it in job workers; the work itself is Hermes's, in the worker. May use
``turns`` and all below it. Begin at :mod:`.scheduler`.
"""
