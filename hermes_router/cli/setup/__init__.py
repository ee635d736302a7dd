"""What commands change for a person: first routes, enabled plugins, parked profiles, old menus.

No other package of ``cli`` writes into a configuration. Begin with ``first_routes.py``.
"""
