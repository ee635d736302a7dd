"""The router inside a gateway: it wraps methods of Hermes and acts on the gateway's own objects.

This package may use every package but ``cli``. :mod:`.compat` holds what is known of Hermes's code,
and :mod:`.features` has a module for each feature of Hermes. Begin at :mod:`.install`, which puts
the router into the gateway, then :mod:`.router`.
"""
