"""Questions of routed profiles among Hermes's own: who answers them, and how long they wait."""
