"""Tests of ``hermes_router_worker.process``, with real processes and pipes."""
