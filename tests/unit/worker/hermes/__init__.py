"""Tests of ``hermes_router_worker.hermes``: what can be tested of it without a Hermes that runs."""
