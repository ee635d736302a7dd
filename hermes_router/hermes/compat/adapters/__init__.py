"""How the adapters of this Hermes join messages, list menus and name their threads.

These modules only read from Hermes: nothing is replaced here, except what ``own_threads.py`` puts
on an adapter for its caller. Begin with ``own_threads.py``.
"""
