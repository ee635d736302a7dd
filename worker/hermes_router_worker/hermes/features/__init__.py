"""Features of Hermes that need something from a worker: menus, skills, logins, the board."""
