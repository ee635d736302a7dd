"""Homes and installations that are not the usual ones: what the commands say of them.

Folders that are closed to others, a plugin folder, Hermes's own package manager.
"""
