"""What the gateway and a worker both ask the system and the installation.

Processes and their state, the temporary folders' names, the sources and versions on disk, and the
command that starts a module of ours. It imports nothing of Hermes. Begin at :mod:`.start`.
"""
