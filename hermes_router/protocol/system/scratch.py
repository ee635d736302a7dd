"""The name of a worker's TMPDIR: a gateway makes such folders, a supervisor removes its own."""

SCRATCH_PREFIX = "hermes-router-"
"""The beginning of the name. A folder with another name is not ours, and is never removed."""
