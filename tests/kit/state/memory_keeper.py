"""A memory provider, ``keeper``, that writes down what it is given when a session ends."""

from __future__ import annotations

from pathlib import Path

_PLUGIN = """from agent.memory_provider import MemoryProvider
import json, os

class Keeper(MemoryProvider):
    name = "keeper"
    def is_available(self): return True
    def initialize(self, session_id, **kwargs): self.of = {"session": session_id, **kwargs}
    def get_tool_schemas(self): return []
    def on_session_end(self, messages):
        said = [m.get("content") for m in messages if m.get("role") == "user"]
        with open(os.environ["HERMES_HOME"] + "/kept.jsonl", "a") as file:
            file.write(json.dumps({"said": said, "of": self.of}, default=str) + "\\n")
"""


def install(home: Path) -> None:
    """Put the provider ``keeper`` among a profile's plugins.

    At the end of a session it appends a line to ``kept.jsonl`` in the home: what the user said, and
    which session it was.
    """
    plugin = home / "plugins" / "keeper"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text(_PLUGIN)
