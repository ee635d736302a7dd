"""What a worker does with the real code of the installed Hermes."""
