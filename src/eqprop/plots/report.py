"""A report: pictures, tables and settings of runs as one page that needs nothing else."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }
img { max-width: 100%; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #ccc; padding: .25rem .6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; white-space: nowrap; }
caption, figcaption, .note { color: #555; font-size: .9rem; text-align: left; }
.warning { background: #fff3cd; padding: .5rem 1rem; border-left: 4px solid #b8860b; }
pre { background: #f5f5f5; padding: .75rem; overflow-x: auto; font-size: .85rem; }
"""

EXPLANATION = """
A continuous Hopfield network is a set of units, each with a state between 0 and 1, and symmetric
connections between them. Shown an input, the states move until they no longer change: the network
has settled, and its output units are the answer. Equilibrium propagation trains such a network
without a separate backward pass: it lets the network settle, nudges the output units towards the
right answer, lets it settle a little again, and changes every connection by what its two units did
differently. In a network of many layers the difference fades with distance from the output, so
that layers near the input hardly learn. Replacing a few percent of the connections by random ones
that skip layers is meant to mend that. Training error is measured during an epoch, before each
update; validation error afterwards, on examples that were not trained on: from states that each
example keeps from look to look (kept, as the paper measures its test error) or from units at 0
(cold).

Names of runs: "layered" has connections between adjacent layers alone and one learning rate,
"per-layer" a rate for each pair of layers, "rewired" layer-skipping connections and one rate. p is
the share of its connections that were replaced; at p = 0 the hidden layers are full inside.
"""


def picture(path: Path, alt: str) -> str:
    """An image, held by the page itself."""
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{html.escape(alt)}</figcaption></figure>"
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> str:
    """Rows of text."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    note = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{note}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def warning(text: str) -> str:
    """Something that the reader must not overlook."""
    return f'<p class="warning">{html.escape(text)}</p>'


def paragraph(text: str) -> str:
    """Plain text."""
    return f"<p>{html.escape(text.strip())}</p>"


def code(text: str) -> str:
    """Text as it stands."""
    return f"<pre>{html.escape(text)}</pre>"


def page(title: str, sections: Mapping[str, Sequence[str]]) -> str:
    """The whole page: a heading per section, with its parts."""
    body = "".join(
        f"<section><h2>{html.escape(heading)}</h2>{''.join(parts)}</section>"
        for heading, parts in sections.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{html.escape(title)}</h1>{body}</body></html>\n"
    )
