"""What the router does in the gateway with the real code of the installed Hermes."""
