"""State: the files that the gateway keeps on disk, in the folder ``hermes-router`` of its home.

Each file is small and has one owner. This package may use ``protocol``, for files that workers read
too, and ``routing``. Begin at :mod:`.state_file`.
"""
