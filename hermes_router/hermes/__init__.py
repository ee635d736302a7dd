"""The router inside a gateway: the swap, and everything that is done on the gateway's own objects.

May use every package but ``cli``. What is known of Hermes's code stands in :mod:`.compat`, and
:mod:`.features` has a module for each feature of Hermes. Begin at :mod:`.install`, then
:mod:`.router`.
"""
