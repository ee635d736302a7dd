"""The leak suite: a row per way in which one profile can reach another, a column per routing.

`python -m tests.tools.leaks` starts three gateways on the same kind of homes: Hermes's own
in-process routing without the router, the router with `launcher: local`, and with `launcher:
bubblewrap`. A row plants markers in the homes beforehand, and probes through real turns. Where
Hermes's own routing is known to leak, the row fails unless the leak is seen: a probe that finds
nothing proves nothing.
"""
