"""Features that act on a platform's adapter: prompts, menus, files, sessions, threads.

What an adapter does for a routed place must use the routed profile's data only. Begin with
``prompts.py``.
"""
