"""Tests of ``hermes_router.cli.commands``: what a command says of facts that a test makes up."""
