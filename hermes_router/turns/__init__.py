"""Turns: which worker a message goes to, what the two say, and how it ends for the people.

May use ``relay``, ``workers`` and all below them; reaches the gateway only through
:mod:`.ports`. Begin at :mod:`.dispatcher`.
"""
