"""Features of Hermes that need something of a worker: menus, skills, logins, the board."""
