"""The checks of ``doctor``: each module looks at one thing and returns what is wrong with it.

``status`` and :mod:`hermes_router.cli.setup` use some of them, too. A check reads files and asks
Hermes or the operating system; it changes nothing. Begin at :mod:`.disk_space`, a short one.
"""
