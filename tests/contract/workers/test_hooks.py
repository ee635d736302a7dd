"""A hook of ours is called by Hermes beside the hooks of the profile's plugins."""

from __future__ import annotations

from typing import Any

from hermes_cli import plugins

from hermes_router_worker.hermes.session import hooks


def test_hermes_calls_a_hook_of_ours_beside_those_of_plugins() -> None:
    heard: list[tuple[str, Any]] = []
    manager = plugins.get_plugin_manager()
    theirs = plugins.PluginContext(plugins.PluginManifest(name="of-the-profile"), manager)
    theirs.register_hook("post_tool_call", lambda **told: heard.append(("theirs", told["result"])))
    hooks.add("post_tool_call", lambda **told: heard.append(("ours", told["result"])))
    plugins.invoke_hook("post_tool_call", tool_name="terminal", result="text")
    assert heard == [("theirs", "text"), ("ours", "text")]
    assert [one["name"] for one in manager.list_plugins()].count("hermes-router-worker") == 0


def test_a_hook_of_ours_may_change_the_terminals_output() -> None:
    hooks.add("transform_terminal_output", lambda **told: told["output"] + "!")
    answers = plugins.invoke_hook("transform_terminal_output", output="text")
    assert "text!" in answers
