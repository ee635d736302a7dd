"""How a worker's own TMPDIR is named: a gateway makes such folders, a supervisor removes one."""

SCRATCH_PREFIX = "hermes-router-"
"""Begins the name. What is named otherwise is somebody else's, and never removed."""
