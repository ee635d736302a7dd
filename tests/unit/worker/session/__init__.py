"""Tests of ``hermes_router_worker.session``: the messages and the progress of one session."""
