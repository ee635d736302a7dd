"""A person's terminal: writing text, tables, live views, the pager, questions, points in time.

This package knows nothing of routes or profiles. Begin with ``output.py``: every command uses it to
write.
"""
