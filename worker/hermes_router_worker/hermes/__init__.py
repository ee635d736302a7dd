"""The worker side's knowledge of Hermes: what it is called, and how to wrap what it does.

:mod:`.features` has a module for each feature of Hermes that needs something of a worker. May use
``process`` and :mod:`hermes_router_worker.json_files`. Begin at :mod:`.events`.
"""
