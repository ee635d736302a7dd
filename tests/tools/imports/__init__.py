"""What the project's files import: who imports Hermes, and the graph of the packages."""
