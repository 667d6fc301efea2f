"""The code of the how-to pages."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"


def run_page(name: str, folder: Path) -> dict[str, Any]:
    """Runs all code of a page as one script in `folder`; returns its names."""
    text = (DOCS / "howto" / f"{name}.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks, name
    script = folder / f"{name}.py"
    script.write_text("\n".join(blocks))
    return runpy.run_path(str(script), run_name="page")
