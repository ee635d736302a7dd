"""The route table: which profile answers a place. Pure: no files, no processes, no clock.

Imports nothing of the project but ``errors``. Begin at :mod:`.table`.
"""
