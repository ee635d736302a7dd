"""Tests of ``hermes_router.cli.terminal``: what stands on a screen of a given width."""
