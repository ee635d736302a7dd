"""Serving one session: its messages, the adapter that Hermes sees, its prompts, its end.

Begin at :mod:`.session`; :mod:`hermes_router_worker.lifecycle` calls it.
"""
