"""Nobody adds a method or a probe to Hermes's adapters without our deciding what it means.

Only the installed sources are read, nothing of Hermes is imported.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from hermes_router.protocol import surface

#: Where Hermes's core talks to adapters. Adapters themselves and language-model "adapters" are not.
SCANNED = ("gateway/*.py", "gateway/platforms/base.py", "tools/*.py", "cron/*.py")

_MEDIA = ("send_voice", "send_video", "send_image_file", "send_document")
_VOICE = ("_auto_tts_enabled_chats", "_auto_tts_disabled_chats")

#: Probes whose name is computed, by file and expression, with the names that can come out.
DYNAMIC_PROBES = {
    # a fingerprint of an adapter's token, while the gateway starts
    ("gateway/run.py", "attr"): (),
    ("tools/send_message_tool.py", "fn_name"): ("add_reaction", "remove_reaction"),
    (
        "tools/send_message_tool.py",
        "'remove_reaction' if remove else 'add_reaction'",
    ): ("add_reaction", "remove_reaction"),
    # media, of the sending engine and of cron
    ("tools/send_message_tool.py", "method_name"): _MEDIA,
    ("tools/send_message_senders.py", "method"): _MEDIA,
    ("cron/scheduler_delivery.py", "method"): _MEDIA,
    # who may write, asked by the gateway about the adapter that received
    ("gateway/authz_mixin.py", "name"): ("enforces_own_access_policy",),
    ("gateway/authz_mixin.py", "attr"): ("_dm_policy", "_group_policy"),
    ("gateway/pairing.py", "attr"): ("_allow_from", "_allowed_user_ids"),
    ("gateway/run_shutdown.py", "'hold_redial' if held else 'release_redial'"): (
        "hold_redial",
        "release_redial",
    ),
    # /voice
    ("gateway/run_voice.py", "name"): _VOICE,
    ("gateway/run_voice.py", "add_to"): _VOICE,
    ("gateway/run_voice.py", "clear_from"): _VOICE,
}

_ADAPTER_NAME = re.compile(r"(^|_)adapter(_cls|_class|_type)?$")
_ADAPTER_MAKER = re.compile(r"(^|_)adapter(_for_\w+)?$")
_PROBES = {"getattr", "hasattr", "setattr", "delattr"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


# -- reading sources ---------------------------------------------------------------------------


class Probe:
    """One place where a name is asked of an adapter; ``name`` is None if it is computed."""

    def __init__(self, name: str | None, line: int, expression: str = "") -> None:
        self.name = name
        self.line = line
        self.expression = expression


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else str(getattr(node, "id", ""))


def _is_adapter_map(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):  # per profile, a map by platform
        return _is_map_of_maps(node.value)
    if isinstance(node, ast.Call):
        callee = node.func
        return isinstance(callee, ast.Attribute) and _is_map_of_maps(callee.value)
    return _last_name(node).endswith("adapters")


def _is_map_of_maps(node: ast.expr) -> bool:
    return _last_name(node).endswith("profile_adapters")


def _is_adapter_call(node: ast.Call, known: frozenset[str]) -> bool:
    callee = node.func
    name = _last_name(callee)
    if name == "type" and len(node.args) == 1:
        return _is_adapter(node.args[0], known)
    if name == "get" and isinstance(callee, ast.Attribute):
        return _is_adapter_map(callee.value) and not _is_map_of_maps(callee.value)
    if isinstance(callee, ast.Call) and len(callee.args) > 1:  # getattr(self, "..._for_source")(s)
        name = str(getattr(callee.args[1], "value", ""))
    return bool(_ADAPTER_MAKER.search(name))


def _is_adapter(node: ast.expr, known: frozenset[str]) -> bool:
    match node:
        case ast.Name(id=name):
            return name in known or bool(_ADAPTER_NAME.search(name))
        case ast.Attribute(attr=name):
            return bool(_ADAPTER_NAME.search(name))
        case ast.Subscript(value=value):
            return _is_adapter_map(value) and not _is_adapter_map(node)
        case ast.IfExp(body=body):
            return _is_adapter(body, known)
        case ast.Call():
            return _is_adapter_call(node, known)
        case _:
            return False


def _names_bound_to_adapters(scope: ast.AST) -> frozenset[str]:
    return frozenset(
        node.targets[0].id
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and _is_adapter(node.value, frozenset())
    )


def _outermost_scopes(tree: ast.Module) -> Iterator[ast.AST]:
    for node in tree.body:
        yield from node.body if isinstance(node, ast.ClassDef) else [node]


def _probe_of_call(node: ast.Call, known: frozenset[str]) -> Probe | None:
    if not (isinstance(node.func, ast.Name) and node.func.id in _PROBES and len(node.args) > 1):
        return None
    target, name = node.args[0], node.args[1]
    if not _is_adapter(target, known):
        return None
    if isinstance(name, ast.Constant):
        return Probe(str(name.value), node.lineno)
    return Probe(None, node.lineno, ast.unparse(name))


def probes(source: str) -> list[Probe]:
    """Return what the source asks of names that look like, or are bound to, adapters."""
    found = []
    for scope in _outermost_scopes(ast.parse(source)):
        known = _names_bound_to_adapters(scope)
        for node in ast.walk(scope):
            if isinstance(node, ast.Attribute) and _is_adapter(node.value, known):
                found.append(Probe(node.attr, node.lineno))
            elif isinstance(node, ast.Call) and (probe := _probe_of_call(node, known)):
                found.append(probe)
    return found


def undecided(found: list[Probe], file: str = "") -> list[str]:
    """Return the probes that no table decides, as ``name (line)``."""
    decided = surface.decided_names()
    missing = []
    for probe in found:
        if probe.name is None:
            if (file, probe.expression) not in DYNAMIC_PROBES:
                missing.append(f"<{probe.expression}> ({probe.line})")
        elif not probe.name.startswith("__") and probe.name not in decided:
            missing.append(f"{probe.name} ({probe.line})")
    return missing


def base_class(source: str) -> dict[str, Function | None]:
    """Return the members of ``BasePlatformAdapter``; class attributes have no function."""
    classes = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == "BasePlatformAdapter"
    ]
    assert len(classes) == 1
    members: dict[str, Function | None] = {}
    for node in classes[0].body:
        if isinstance(node, Function):
            members[node.name] = node
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name):
                members[target.id] = None
    return members


def parameters(function: Function) -> list[str]:
    """Return the names of the parameters without ``self``, keyword-only ones last."""
    positional = [argument.arg for argument in function.args.args]
    static = any(
        isinstance(decorator, ast.Name) and decorator.id == "staticmethod"
        for decorator in function.decorator_list
    )
    return (positional if static else positional[1:]) + [
        argument.arg for argument in function.args.kwonlyargs
    ]


def overrides(adapters: Mapping[str, str]) -> dict[str, dict[str, Function]]:
    """Return for each method name the adapter files that define it in a class."""
    found: dict[str, dict[str, Function]] = defaultdict(dict)
    for file, source in adapters.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef) and "Adapter" in node.name:
                for member in node.body:
                    if isinstance(member, Function):
                        found[member.name][file] = member
    return found


# -- the installed Hermes ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def hermes() -> Path:
    spec = importlib.util.find_spec("gateway")
    assert spec is not None, "hermes-agent is not installed: `make setup` installs it"
    assert spec.origin is not None
    return Path(spec.origin).parent.parent


@pytest.fixture(scope="module")
def core(hermes: Path) -> dict[str, list[Probe]]:
    return {
        file.relative_to(hermes).as_posix(): probes(file.read_text("utf-8"))
        for pattern in SCANNED
        for file in hermes.glob(pattern)
    }


@pytest.fixture(scope="module")
def members(hermes: Path) -> dict[str, Function | None]:
    return base_class((hermes / "gateway/platforms/base.py").read_text("utf-8"))


@pytest.fixture(scope="module")
def adapters(hermes: Path) -> dict[str, str]:
    files = [
        *hermes.glob("gateway/platforms/**/*.py"),
        *hermes.glob("gateway/relay/*.py"),
        *hermes.glob("plugins/platforms/**/*.py"),
    ]
    return {
        str(file.relative_to(hermes)): file.read_text("utf-8")
        for file in files
        if file.name != "base.py"
    }


@pytest.fixture(scope="module")
def defined(adapters: dict[str, str]) -> dict[str, dict[str, Function]]:
    return overrides(adapters)


def test_every_probe_of_an_adapter_in_the_core_is_decided(core: dict[str, list[Probe]]) -> None:
    missing = {file: names for file, found in core.items() if (names := undecided(found, file))}
    assert missing == {}


def test_the_scan_reaches_the_probes_that_matter(core: dict[str, list[Probe]]) -> None:
    assert {
        "MAX_MESSAGE_LENGTH",
        "REQUIRES_EDIT_FINALIZE",
        "edit_message",
        "create_handoff_thread",
        "send_exec_approval",
        "send_model_picker",
        "supports_draft_streaming",
    } <= {probe.name for found in core.values() for probe in found}


def test_every_public_member_of_the_base_class_is_decided(
    members: dict[str, Function | None],
) -> None:
    public = {name for name in members if not name.startswith("_")}
    assert public - surface.decided_names() == set()


def test_every_public_coroutine_of_the_base_class_is_a_method_of_the_table(
    members: dict[str, Function | None],
) -> None:
    coroutines = {
        name
        for name, member in members.items()
        if isinstance(member, ast.AsyncFunctionDef) and not name.startswith("_")
    }
    assert len(coroutines) > 20
    assert coroutines - set(surface.ADAPTER_METHODS) == set()


def test_the_table_knows_which_base_methods_are_plain_functions(
    members: dict[str, Function | None],
) -> None:
    wrong = [
        name
        for name, method in surface.ADAPTER_METHODS.items()
        if (member := members.get(name)) is not None
        and method.sync is isinstance(member, ast.AsyncFunctionDef)
    ]
    assert wrong == []


def test_crossing_base_methods_have_the_parameters_of_the_table_in_their_order(
    members: dict[str, Function | None],
) -> None:
    wrong = {}
    for name, method in surface.ADAPTER_METHODS.items():
        member = members.get(name)
        if member is None or not method.crosses:
            continue
        known = [p for p in parameters(member) if p in method.params]
        if [p for p in method.params if p in known] != known or set(parameters(member)) - set(
            method.params
        ):
            wrong[name] = parameters(member)
    assert wrong == {}


def test_every_argument_of_an_optional_crossing_method_is_known_by_name(
    defined: dict[str, dict[str, Function]],
) -> None:
    wrong = {}
    for name, method in surface.ADAPTER_METHODS.items():
        if method.base or not method.crosses:
            continue
        # A method of the same name that is not the probed one lacks the other parameters too.
        for file, function in defined.get(name, {}).items():
            required = parameters(function)[
                : len(parameters(function)) - len(function.args.defaults)
            ]
            if unknown := set(required) - set(method.params):
                wrong[f"{file}:{name}"] = sorted(unknown)
    wrong.pop("gateway/platforms/signal.py:remove_reaction", None)
    assert wrong == {}


@pytest.mark.parametrize(
    "name", ["prepare_tts_text", "render_message_event", "format_tool_event", "extract_media"]
)
def test_what_the_worker_does_with_base_code_no_bundled_adapter_overrides(
    name: str, defined: dict[str, dict[str, Function]]
) -> None:
    assert sorted(defined.get(name, ())) == []


def test_the_relay_can_ask_every_adapter_whether_a_final_message_is_fresh(
    defined: dict[str, dict[str, Function]],
) -> None:
    for file, function in defined.get("prefers_fresh_final_streaming", {}).items():
        assert parameters(function)[0] == "content", file
        assert set(parameters(function)) <= {"content", "metadata", "chat_id"}, file


def test_adapters_that_open_files_named_in_a_text_are_known(adapters: dict[str, str]) -> None:
    opening = {
        Path(file).parent.name if Path(file).name == "adapter.py" else Path(file).stem
        for file, source in adapters.items()
        if re.search(r"self\.extract_(media|local_files)\(", source)
    }
    assert opening == surface.TEXT_OPENS_FILES


# -- the scan and the tables themselves --------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "adapter.send_hologram(chat)",
        "getattr(adapter, 'send_hologram', None)",
        "hasattr(self._status_adapter, 'send_hologram')",
        "getattr(type(_progress_adapter), 'send_hologram', None)",
        "self.adapters[platform].send_hologram(chat)",
        "self.adapters.get(platform).send_hologram(chat)",
        "self._adapter_for_source(source).send_hologram(chat)",
        "va = self.adapters.get(platform); va.send_hologram(chat)",
        "getattr(self, '_adapter_for_source')(source).send_hologram(chat)",
        "self._profile_adapters[name][platform].send_hologram(chat)",
        "self._profile_adapters.get(name, {}).get(platform).send_hologram(chat)",
        "va = adapter; (lambda: hasattr(va, 'send_hologram'))()",
        "adapter.send_hologram = None",
    ],
)
def test_a_new_probe_is_found_however_it_is_written(line: str) -> None:
    assert [name.split()[0] for name in undecided(probes(f"def f(self):\n    {line}\n"))] == [
        "send_hologram"
    ]


def test_a_new_computed_probe_is_found() -> None:
    assert undecided(probes("getattr(adapter, name_of(event))")) == ["<name_of(event)> (1)"]


@pytest.mark.parametrize(
    "line",
    [
        "adapter.send(chat)",
        "type(adapter).__name__",
        "other.send_hologram(chat)",
        "self._profile_adapters.get(name, {}).get(platform)",
    ],
)
def test_decided_and_foreign_names_are_no_findings(line: str) -> None:
    assert undecided(probes(line)) == []


def test_a_new_member_of_the_base_class_is_found() -> None:
    source = "class BasePlatformAdapter:\n    glows: bool = False\n    async def glow(self): ...\n"
    assert set(base_class(source)) - surface.decided_names() == {"glows", "glow"}


def test_what_a_row_says_of_parameters_is_about_parameters_that_it_has() -> None:
    for method in surface.ADAPTER_METHODS.values():
        named = {*method.optional, *method.messages, *method.files, *method.rewrites}
        # `user_id` is a place of the private notice; the others are checked by the policy
        assert named <= set(method.params), method.name
        assert set(method.places) <= {*method.params, "metadata", "user_id"}, method.name


def test_every_crossing_method_names_the_conversation() -> None:
    for name in surface.relayed_names():
        assert surface.ADAPTER_METHODS[name].places, name


def test_no_name_is_decided_twice_in_contradiction() -> None:
    methods, state = set(surface.ADAPTER_METHODS), set(surface.ADAPTER_STATE)
    answered = {n for n, m in surface.ADAPTER_METHODS.items() if m.kind == "answered"}
    assert methods & set(surface.CAPABILITIES) == answered
    assert (methods | set(surface.CAPABILITIES)) & state == set()


@pytest.mark.parametrize(
    ("length", "unit"),
    [
        (len, "codepoints"),
        (lambda text: len(text.encode("utf-16-le")) // 2, "utf16"),
        (lambda text: len(text.encode()), "utf8"),
        (lambda text: 2 * len(text), None),
    ],
)
def test_the_unit_of_a_length_function_is_told_by_what_it_counts(
    length: Callable[[str], int], unit: str | None
) -> None:
    assert surface.length_unit(length) == unit
