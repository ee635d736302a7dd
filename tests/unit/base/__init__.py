"""Tests of ``hermes_router.base``: a module of tests for each module there."""
