"""The code that workers run, also while an update changes the router or Hermes on disk.

This package knows files and commands, but no worker. Begin at :mod:`.own_code`.
"""
