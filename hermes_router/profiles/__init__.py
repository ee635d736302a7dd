"""Profiles on disk: their homes, what is known of them from outside, and whether they changed.

Reads and prepares profile homes; may use ``config``. Begin at :mod:`.model`.
"""
