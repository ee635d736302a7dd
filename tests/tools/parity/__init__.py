"""`python -m tests.tools.parity`: a conversation with a plain gateway and through the router.

The plain gateway runs as the profile `career` (`hermes -p career gateway run`); the routed one
runs on the root and answers the same places by `career`. Adapter configuration, `terminal.cwd` and
home channel are the same. Everything that either sends to the platform and to the model is
recorded, made comparable (`record`) and compared. What may differ is the closed list in
`differences`; anything else is an error.

To add a scenario, write one function in a module of `scenarios`:

    @scenario("a title for the table", point=1, setting=STREAMING)
    def streaming_by_edits(scene: Scene) -> None:
        scene.ask("[[tokens 30]]", contains="word30")

It plays the users of one place of its own (a fresh topic; `place="dm"`: a fresh direct chat), and
gets every wait from the scene. It asserts nothing about the answers beyond what makes sure that the
thing was exercised: comparing is not its business. `setting` names a configuration of the
profile, `settings.py` has them; each is one start of both gateways. `quick=True` puts it into
`make test` too. A new module is listed in `scenarios/__init__.py`.
"""
