"""Jobs: the cron jobs of routed profiles, and the maintenance of their homes.

This package decides which job is due and starts a worker for it. Hermes in the worker does the job.
The package may use ``turns`` and all below it. Begin at :mod:`.scheduler`.
"""
