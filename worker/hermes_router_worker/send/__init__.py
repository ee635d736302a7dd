"""Send outside the own conversation: Hermes's send engine, with the gateway as transport.

May use ``hermes`` and ``process``. Begin at :mod:`.engine`.
"""
