"""The configuration of the router: reading it, judging it, and following its edits.

Owns the gateway home's ``config.yaml`` as far as the router reads it. May use ``routing``,
``protocol`` and ``errors``. Begin at :mod:`.model`, which is what everybody else sees.
"""
