"""Becoming ready: the profile's environment, Hermes's start-up steps, and doing them ahead.

May use ``send``, ``home``, ``hermes`` and ``process``. Begin at :mod:`.bootstrap`;
:mod:`.template` is where the steps are done ahead of time.
"""
