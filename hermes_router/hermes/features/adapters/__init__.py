"""Features that act on a platform's adapter: prompts, menus, files, sessions, threads.

What an adapter does for a routed place must stay with the routed profile. Begin with
``prompts.py``.
"""
