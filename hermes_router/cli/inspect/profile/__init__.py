"""What is known of one routed profile from its files, and what is wrong with it.

This package starts nothing and changes nothing. Begin at :mod:`.profile_facts`, which uses the
other modules.
"""
