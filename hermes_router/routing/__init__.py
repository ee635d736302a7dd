"""Routing: the route table, which says which profile answers a place.

This package uses no files, no processes and no clock. It imports nothing of the project but
``errors``. Begin at :mod:`.table`.
"""
