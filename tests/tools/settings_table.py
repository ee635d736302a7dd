"""`python -m tests.tools.settings_table`: writes the table of settings into docs/settings.md."""

from __future__ import annotations

import sys
from pathlib import Path

from hermes_router.config.settings import describe_settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
BEGIN = "<!-- settings: written by `python -m tests.tools.settings_table` -->\n"
END = "<!-- end of settings -->\n"


def table() -> str:
    """Return the settings as a Markdown table."""
    rows = [("setting", "default", "what it is"), ("---", "---", "---")]
    rows += [(f"`{key}`", f"`{_shown(default)}`", text) for key, default, text in _settings()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _settings() -> list[tuple[str, object, str]]:
    return [(key, default, text) for key, default, text in describe_settings()]


def _shown(default: object) -> str:
    """Return a default as it would be written in YAML."""
    if isinstance(default, tuple):
        return f"[{', '.join(map(str, default))}]"
    return f"{default:g}" if isinstance(default, float) else str(default)


def with_table(page: str) -> str:
    """Return the page's text with the table as it must be."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def main() -> int:
    """Write the table."""
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
