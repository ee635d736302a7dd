"""What each package of the gateway's side may use: errors, background tasks, small helpers.

This package knows no route and no worker, and uses ``protocol`` only. Begin at :mod:`.errors`.
"""
