"""Profiles on disk: their homes, what is known of them from outside, and whether they changed.

Reads and prepares profile homes; knows no worker. Begin at :mod:`.model`.
"""
