"""Pictures of the demo and of the main commands for the documentation, from real runs."""
