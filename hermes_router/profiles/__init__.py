"""Profiles on disk: their homes, the settings that the gateway needs, and whether they changed.

This package reads and prepares profile homes. It may use ``config``. Begin at :mod:`.model`.
"""
