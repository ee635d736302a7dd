"""Tests of ``hermes_router.cli.inspect`` and its packages: what they find in files of a test."""
