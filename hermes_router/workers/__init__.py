"""Worker processes: started, prepared ahead of time, bounded, logged, and ended.

Knows processes and messages, not conversations. May use ``profiles``, ``config`` and
``protocol``. Begin at :mod:`.process`.
"""
