"""A session as Hermes has it: its adapter's classes, its questions, and work beside its turns.

:mod:`hermes_router_worker.session` serves a session with these functions, and knows nothing of
Hermes itself.
"""
