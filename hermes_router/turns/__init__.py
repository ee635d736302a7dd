"""Turns: this package gives each message to a worker, follows the worker, and notifies people.

It may use ``relay``, ``workers`` and all below them. It reaches the gateway only through
:mod:`.ports`. Begin at :mod:`.dispatcher`.
"""
