"""The work of a worker that serves no session: a cron job, the maintenance of the home.

May use every package of the worker. Begin at :mod:`.job`.
"""
