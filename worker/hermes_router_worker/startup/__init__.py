"""Becoming ready: the profile's environment, Hermes's start-up steps, and doing them ahead.

Begin at :mod:`.bootstrap`; :mod:`.template` is where they are done ahead of time.
"""
