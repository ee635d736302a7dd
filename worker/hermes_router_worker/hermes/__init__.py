"""The worker side's knowledge of Hermes: wrapping what it does, and its features one by one."""
