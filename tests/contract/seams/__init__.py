"""What the installed Hermes is to have, and how the router is put into it."""
