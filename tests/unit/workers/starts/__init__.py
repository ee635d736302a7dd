"""Tests of ``hermes_router.workers.starts``: when a process may start, and what it prints then."""
