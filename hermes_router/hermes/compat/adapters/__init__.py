"""How the adapters of this Hermes join messages, list menus and name their threads.

These modules only read from Hermes. Two exceptions put functions of their callers on an adapter:
``own_threads.py`` and ``asked.py``. Begin with ``own_threads.py``.
"""
