"""The starts of workers: when one may begin, when it is tried again, and what it prints until then.

Nothing here starts a process; the pool and the launchers use these rules. Begin at
:mod:`.start_queue`.
"""
