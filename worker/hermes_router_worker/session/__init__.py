"""Serve one session: its messages, the adapter that Hermes sees, its prompts, its end.

May use every package of the worker but ``jobs``. Begin at :mod:`.session`;
:mod:`hermes_router_worker.lifecycle` calls it.
"""
