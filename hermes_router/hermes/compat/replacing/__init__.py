"""The functions of Hermes that the gateway side replaces: the list, and the one way to do it.

No other package replaces any. Begin with ``patches.py``: each entry has its reason.
"""
