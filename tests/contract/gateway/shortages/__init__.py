"""A machine without free memory, processes or disk: each message is told of once."""
