"""Workers: this package starts worker processes, prepares them ahead of time, limits and ends them.

It knows processes and messages, but no conversations. It may use ``profiles``, ``config`` and
``protocol``. Begin at :mod:`.process`; :mod:`.pool` decides which process a turn
gets, and :mod:`.warm_profile` prepares processes ahead of time.
"""
