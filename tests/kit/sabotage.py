"""Breaking the router inside a gateway: a piece of code runs when one of its modules is imported.

sabotage(root, "hermes_router.plugin", "module._await_gateway = lambda: None")
"""

from __future__ import annotations

from tests.kit.roots.homes import HermesRoot

_HOOK = """
import sys
if any(word == "gateway" for word in sys.argv) or "gateway" in sys.orig_argv:
    from hermes_router.hermes.compat.gateway_module import when_imported
    def act(module):
        exec({code!r}, {{"module": module}})
    when_imported({module!r}, act)
"""


def sabotage(root: HermesRoot, module: str, code: str) -> None:
    """Have each gateway of a root run ``code`` on a module when that has been imported."""
    folder = root.base / "sabotage"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_HOOK.format(module=module, code=code))
    root.extra_environ["PYTHONPATH"] = str(folder)
