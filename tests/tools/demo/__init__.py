"""The demo (`make demo`): the main job, on a throw-away Hermes that it builds and removes."""
