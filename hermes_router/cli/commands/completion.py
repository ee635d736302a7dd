"""``hermes-router completion``: print completion scripts, made from the commands' own parsers.

The scripts are static: to complete a word starts no Python. After an update, generate them again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import msgspec

from hermes_router.cli import status
from hermes_router.cli.parser import COMMANDS, build_parser
from hermes_router.cli.terminal.output import write

_EPILOG = """examples:
  hermes-router completion bash > ~/.local/share/bash-completion/completions/hermes-router
  hermes-router completion zsh > ~/.zfunc/_hermes-router
  hermes-router completion fish > ~/.config/fish/completions/hermes-router.fish
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    parser.add_argument("shell", choices=tuple(_SHELLS), help="the shell that loads the script")


def run(options: argparse.Namespace) -> int:
    """Print the script; return the exit status."""
    write(_SHELLS[options.shell]())
    return status.OK


class _Option(msgspec.Struct, frozen=True):
    """An option: its spellings, its help text, and the kind of its value."""

    names: tuple[str, ...]
    about: str
    value: str  # "" for no value, else FILE, DIR or another word
    choices: tuple[str, ...]


class _Command(msgspec.Struct, frozen=True):
    """A command: its options, and the words that its argument may be."""

    name: str
    about: str
    options: tuple[_Option, ...]
    words: tuple[str, ...]


def _commands() -> Iterator[_Command]:
    """Yield the commands; the first one, without a name, is ``hermes-router`` itself."""
    top = build_parser()
    yield _command("", "", top, tuple(COMMANDS))
    (children,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))  # noqa: SLF001 - argparse has no public way to ask
    for name, parser in children.choices.items():
        yield _command(name, COMMANDS[name], parser, ())


def _command(
    name: str, about: str, parser: argparse.ArgumentParser, words: tuple[str, ...]
) -> _Command:
    options: list[_Option] = []
    for action in parser._actions:  # noqa: SLF001 - as above
        choices = tuple(map(str, action.choices or ()))
        if action.option_strings:
            value = "" if action.nargs == 0 else str(action.metavar or "VALUE")
            about_option = (action.help or "").partition(";")[0].partition(" (")[0]
            options.append(_Option(tuple(action.option_strings), about_option, value, choices))
        elif not words:
            words = choices
    return _Command(name, about, tuple(options), words)


# -- bash ------------------------------------------------------------------------------------------

_BASH = """# bash completion for hermes-router
_hermes_router() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $word in {names}) command=$word; break;; esac
    done
    COMPREPLY=()
    case $command:$previous in
{values}
    esac
    case $command in
{words}
    esac
}}
complete -F _hermes_router hermes-router"""


def _bash() -> str:
    commands = list(_commands())
    values, words = [], []
    for command in commands:
        for option in command.options:
            spellings = option.names if option.value else ()
            action = _bash_value(option)
            values += [f"        {command.name}:{name}) {action} return;;" for name in spellings]
        listed = " ".join([*command.words, *(n for o in command.options for n in o.names)])
        pattern = command.name or '""'
        words.append(f'        {pattern}) COMPREPLY=($(compgen -W "{listed}" -- "$current"));;')
    names = "|".join(command.name for command in commands if command.name)
    return _BASH.format(names=names, values="\n".join(values), words="\n".join(words))


def _bash_value(option: _Option) -> str:
    if option.choices:
        return f'COMPREPLY=($(compgen -W "{" ".join(option.choices)}" -- "$current"));'
    kind = {"FILE": "-f", "DIR": "-d"}.get(option.value)
    if kind is None:
        return ""
    # One name per line, because names may contain spaces.
    files = f"local IFS=$'\\n'; COMPREPLY=($(compgen {kind} -- \"$current\"));"
    return f"compopt -o filenames 2>/dev/null; {files}"


# -- zsh -------------------------------------------------------------------------------------------

_ZSH = """#compdef hermes-router
# zsh completion for hermes-router
_hermes_router() {{
    local line state
    _arguments -C {top} '1:command:->command' '*::argument:->argument'
    case $state in
    command)
        local -a commands=(
{commands}
        )
        _describe command commands;;
    argument)
        case $line[1] in
{cases}
        esac;;
    esac
}}
if [ "$funcstack[1]" = _hermes-router ]; then _hermes_router "$@"
else compdef _hermes_router hermes-router; fi"""


def _zsh() -> str:
    top, *commands = _commands()
    listed = [f"            {_quoted(f'{c.name}:{_zsh_text(c.about)}')}" for c in commands]
    cases = [f"        {c.name}) _arguments {_zsh_arguments(c)};;" for c in commands]
    return _ZSH.format(
        top=_zsh_arguments(top, words=False), commands="\n".join(listed), cases="\n".join(cases)
    )


def _zsh_arguments(command: _Command, *, words: bool = True) -> str:
    found = [
        _quoted(f"{name}[{_zsh_text(option.about)}]{_zsh_value(option)}")
        for option in command.options
        for name in option.names
    ]
    if words and command.words:
        found.append(_quoted(f"1:argument:({' '.join(command.words)})"))
    return " ".join(found)


def _zsh_value(option: _Option) -> str:
    if not option.value:
        return ""
    actions = {"FILE": "_files", "DIR": "_files -/"}
    action = f"({' '.join(option.choices)})" if option.choices else actions.get(option.value, "")
    return f":{option.value.lower()}:{action}"


def _zsh_text(text: str) -> str:
    return text.replace("[", "(").replace("]", ")").replace(":", ",")


# -- fish ------------------------------------------------------------------------------------------


def _fish() -> str:
    top, *commands = _commands()
    lines = ["# fish completion for hermes-router", "complete -c hermes-router -f"]
    for command in commands:
        about = _quoted(command.about)
        lines.append(
            f"complete -c hermes-router -n __fish_use_subcommand -a {command.name} -d {about}"
        )
    lines += (_fish_option("__fish_use_subcommand", option) for option in top.options)
    for command in commands:
        seen = _quoted(f"__fish_seen_subcommand_from {command.name}")
        lines += (_fish_option(seen, option) for option in command.options)
        if command.words:
            words = _quoted(" ".join(command.words))
            lines.append(f"complete -c hermes-router -n {seen} -a {words}")
    return "\n".join(lines)


def _fish_option(condition: str, option: _Option) -> str:
    names = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    ]
    value = ""
    if option.choices:
        value = f" -x -a {_quoted(' '.join(option.choices))}"
    elif option.value:
        value = {"FILE": " -r -F", "DIR": " -x -a '(__fish_complete_directories)'"}.get(
            option.value, " -x"
        )
    about = _quoted(option.about)
    return f"complete -c hermes-router -n {condition} {' '.join(names)}{value} -d {about}"


def _quoted(text: str) -> str:
    quote = "'"
    return quote + text.replace(quote, "'\\''") + quote


_SHELLS: dict[str, Callable[[], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
