"""Tests of ``hermes_router_worker.send``, with real sockets and pipes."""
