"""`python -m tests.tools.check_site FOLDER`: the built pages load nothing from elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: What a browser fetches by itself: scripts, pictures, style sheets and icons.
_LOADED = re.compile(
    r'<(?:script|img|iframe)\b[^>]*\ssrc="(?P<src>https?:[^"]*|//[^"]*)"'
    r'|<link\b[^>]*\brel="(?:stylesheet|icon|preload|preconnect)"[^>]*'
    r'href="(?P<href>https?:[^"]*|//[^"]*)"'
)


def loaded_from_elsewhere(page: str) -> list[str]:
    """Return the addresses on other hosts that a browser would ask for when it shows this HTML."""
    return [found["src"] or found["href"] for found in _LOADED.finditer(page)]


def main(folder: Path) -> int:
    """Print each address that a page would load; return 1 if there is one, or no page."""
    pages = sorted(folder.rglob("*.html"))
    wrong = [
        f"{page.relative_to(folder)}: {address}"
        for page in pages
        for address in loaded_from_elsewhere(page.read_text("utf-8"))
    ]
    print("\n".join(wrong) or f"{len(pages)} pages, nothing from elsewhere")
    return 1 if wrong or not pages else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
