"""Tests of ``hermes_router.workers.code``: what workers run when something is updated."""
