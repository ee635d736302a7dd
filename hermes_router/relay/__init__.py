"""What a worker may do to the outside: its adapter calls, executed under a policy.

Owns the rules of what a worker may send, where, and how it is shown. Knows the real adapter only as
an object that it is given. May use ``state`` and ``workers``. Begin at :mod:`.relay`.
"""
