"""How a worker becomes ready: the profile's environment, and Hermes's start-up steps.

May use ``send``, ``home``, ``hermes`` and ``process``. Begin at :mod:`.bootstrap`; :mod:`.template`
does the steps in advance.
"""
