"""Tests of ``hermes_router.workers.launchers`` without Hermes: sandboxes, scopes, the board."""
