"""What the gateway remembers on disk, in the ``hermes-router`` folder of its home.

Small files, each with one owner. May use ``protocol`` for what a worker reads too, and
``routing``. Begin at :mod:`.state_file`.
"""
