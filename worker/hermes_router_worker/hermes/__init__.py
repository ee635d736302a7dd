"""What the worker side knows of Hermes: its names, and how to wrap its functions.

:mod:`.features` has a module for each feature of Hermes that needs something from a worker. May use
``process`` and :mod:`hermes_router_worker.json_files`. Begin at :mod:`.events`.
"""
