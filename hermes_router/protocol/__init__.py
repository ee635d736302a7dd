"""What the gateway's side and a worker share: messages, their framing, and the surface table."""
