"""The work of a worker that serves no session: a cron job, the maintenance of the home.

Begin at :mod:`.job`.
"""
