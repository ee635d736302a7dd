"""One worker as its turn sees it: its messages, its state, its calls and its time limits.

Begin at ``worker_state.py``, the table of the worker's states; ``worker_session.py`` applies the
table. ``turns/turn.py`` uses this package; nothing here imports it.
"""
