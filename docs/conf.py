"""Sphinx configuration: `sphinx-build -W docs docs/_build`."""

from __future__ import annotations

import eqprop

project = "eqprop"
author = "the eqprop authors"
version = release = eqprop.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
]
# Nothing is looked up on a network when the pages are built; links to other projects stay text.
intersphinx_mapping: dict = {}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "eqprop"
html_extra_path = ["live"]  # what is in it lies beside the pages
# Docstrings mark code by single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3
# Notebooks run whenever the pages are built, in a folder of their own; one that fails fails all.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True
