"""What a profile has of its own works in its turns, and in no others.

Tools, plugins, logins, sessions, what was overheard in its places. Begin at ``test_features.py``.
"""
