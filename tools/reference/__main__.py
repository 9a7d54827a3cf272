"""The command: write the pages, or compare them."""

import sys
from pathlib import Path

from tools.reference import errors_page, settings_page, spec_page

DIRECTORY = Path(__file__).parents[2] / "docs" / "reference"
PAGES = {"settings.md": settings_page.render, "spec.md": spec_page.render, "errors.md": errors_page.render}


def main(arguments: list[str]) -> int:
    """Write every page, or with `--check` none; the exit status says whether one was stale and still is."""
    stale = [name for name, render in PAGES.items() if read(DIRECTORY / name) != render()]
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"docs/reference/{name} is stale: run `make docs`\n")
        return bool(stale)
    for name in stale:
        (DIRECTORY / name).write_text(PAGES[name](), encoding="utf-8")
        sys.stdout.write(f"docs/reference/{name}\n")
    return 0


def read(page: Path) -> str | None:
    """The page as it is, None where there is none."""
    return page.read_text(encoding="utf-8") if page.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
