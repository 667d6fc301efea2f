"""Sphinx configuration: `sphinx-build -W docs docs/_build`."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

import eqprop
from eqprop import shapes
from eqprop.cli import COMMANDS

project = "eqprop"
author = "the eqprop authors"
version = release = eqprop.__version__
extensions = [
    "cyclopts.sphinx_ext",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
]
# Nothing is looked up on a network when the pages are built; links to other projects stay text.
intersphinx_mapping: dict = {}
exclude_patterns = ["_build"]
html_theme = "furo"
html_show_copyright = False
html_title = "eqprop"
html_extra_path = ["live"]  # what is in it lies beside the pages
html_static_path = ["_static"]
html_css_files = ["pictures.css"]
html_math_renderer = "mathml"  # browsers draw it themselves, without a network
# Docstrings mark code by single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Signatures show the names of shapes; the glossary says what they stand for.
autodoc_type_aliases = {
    name: name for name in vars(shapes) if name[0].isupper() and name not in ("Array", "Inexact")
}
autodoc_default_options = {"members": True, "show-inheritance": True}
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3
# Notebooks run whenever the pages are built, in a folder of their own; one that fails fails all.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True

sys.argv[0] = "eqprop"  # by this the commands name their program in what is written of their usage
for name in COMMANDS:  # importing a module declares its command, which the page of commands lists
    importlib.import_module(f"eqprop.cli.{name}")


def _formula(writer: Any, node: nodes.math | nodes.math_block) -> None:
    """Writes a formula as MathML, and nothing after it."""
    writer.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def _named(
    app: Any, what: str, name: str, of: Any, options: Any, signature: str | None, back: str | None
) -> tuple[str | None, str | None]:
    """A signature whose optional shapes have their plain names."""
    alias = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
    return signature and alias.sub(r"\1", signature), back and alias.sub(r"\1", back)


def setup(app: Any) -> None:
    """Registers what draws formulas, and what writes signatures."""
    app.add_html_math_renderer("mathml", (_formula, None), (_formula, None))
    app.connect("autodoc-process-signature", _named)
