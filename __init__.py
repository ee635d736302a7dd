"""This repository as a folder of Hermes's plugins, where `hermes plugins install` puts it.

Hermes's package manager installs the project itself, as pyproject.toml says; this file only names
the same plugin as the entry point of a pip installation does.
"""

from hermes_router.plugin import register

__all__ = ["register"]
