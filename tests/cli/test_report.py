"""The report: one page that stands on its own, and bad input in one message."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from eqprop.cli import run
from eqprop.cli.report_page import _is_the_papers
from eqprop.experiments.catalogue import experiments
from eqprop.sweeps.sweep import Sweep

SMALL = ["--preset", "smoke", "--epochs", "1", "--set", "data.num_train=100"]


class Page(HTMLParser):
    """Collects what a browser would load, and the text."""

    def __init__(self):
        super().__init__()
        self.loaded, self.text, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.loaded += [value for key, value in attrs if key in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def figure(tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    assert run(["reproduce", "figure3", *SMALL, "--out", str(out)]) == 0
    return out / "figure3-smoke"


def test_the_page_needs_nothing_else(figure, tmp_path, capsys):
    assert run(["report", str(figure), "--out", str(tmp_path / "new" / "a.html")]) == 0
    page = Page()
    page.feed((tmp_path / "new" / "a.html").read_text("utf-8"))
    assert page.open == []
    assert len(page.loaded) == 1 and page.loaded[0].startswith("data:image/png;base64,")
    text = " ".join(page.text)
    for wanted in (
        "per-layer-seed0",
        "other data or settings than the paper's",
        "[topology]",
        "updates",
    ):
        assert wanted in text, wanted
    assert "learning.learning_rate" in text  # what tells the runs apart


@pytest.mark.parametrize(
    ("changes", "beside"),
    [
        ([], True),
        (["free.block_size=100", "training.epochs=3"], True),
        (["free.tolerance=0.01"], False),
        (["training.persistent=false"], False),
        (["evaluation.start=kept"], False),
        (["learning.beta=0.5"], False),
        (["data.num_train=500"], False),
        (["device.kind=rounded", "device.bits=2"], False),
        (["training.cold_share=0.1"], False),
        (["pruning.what=skips"], False),
        (["training.record_every=100", "checkpoint.keep=1"], True),
    ],
)
def test_the_papers_numbers_stand_beside_its_setting_alone(changes, beside, tmp_path):
    [(cell, config)] = (
        experiments()["figure3"].cells("paper", [0], only=["rewired"], overrides=changes).items()
    )
    assert _is_the_papers(Sweep(tmp_path, "figure3", "paper", (cell,)), cell, config) == beside
    # Sweeps of other versions and presets have no settings to compare with.
    for preset in ("recorded", "quick"):
        assert not _is_the_papers(Sweep(tmp_path, "figure3", preset, (cell,)), cell, config)


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_opens_in_chromium_without_a_network(figure, tmp_path):
    page, shot = tmp_path / "a.html", tmp_path / "a.png"
    assert run(["report", str(figure), "--out", str(page)]) == 0
    # Nothing listens on the discard port: whatever the page asked a network for would fail.
    nowhere = ["--proxy-server=127.0.0.1:9", f"--user-data-dir={tmp_path / 'profile'}"]
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1000,1800", *nowhere]
    subprocess.run(
        [str(CHROMIUM), *options, f"--screenshot={shot}", page.as_uri()],
        check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    from matplotlib.image import imread

    # The picture's colours are on the page, so it was drawn.
    pixels = imread(shot)[..., :3]
    for shade in ((0, 0x72, 0xB2), (0xE6, 0x9F, 0)):
        assert (np.abs(pixels - np.array(shade) / 255).max(-1) < 0.02).sum() > 50


def test_single_runs_make_a_page_too(figure, tmp_path):
    paths = [str(figure / f"{name}-seed0") for name in ("layered", "rewired")]
    assert run(["report", *paths, "--out", str(tmp_path / "b.html")]) == 0
    text = (tmp_path / "b.html").read_text("utf-8")
    assert "layered-seed0" in text and "per-layer-seed0" not in text


@pytest.mark.parametrize("end", ["mid-line", "line"])
def test_cut_records_are_told_and_not_drawn(figure, tmp_path, end, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(figure, copy)
    metrics = copy / "rewired-seed0" / "metrics.jsonl"
    text = metrics.read_text()
    before = (copy / "figure3.csv").read_bytes()
    metrics.write_text(text.rstrip()[:-20] if end == "mid-line" else "")
    assert run(["report", str(copy), "--out", str(tmp_path / "c.html")]) == 0
    page = (tmp_path / "c.html").read_text("utf-8")
    assert page.count("The records of rewired-seed0 are cut") == 1
    # Nothing is left of a run of one epoch.
    assert run(["report", str(metrics.parent), "--out", str(tmp_path / "d.html")]) == 5
    assert "hold no whole epoch" in capsys.readouterr().err
    assert run(["resume", str(copy)]) == 5
    assert "got metrics.jsonl of rewired-seed0" in capsys.readouterr().err
    assert (copy / "figure3.csv").read_bytes() == before
    (metrics.parent / "summary.json").unlink()
    assert run(["resume", str(copy)]) == 0
    assert metrics.read_text() == text and (copy / "figure3.csv").read_bytes() == before


def test_seeds_of_different_length_stand_apart(tmp_path, capsys):
    base = ["reproduce", "figure3", *SMALL[:2], *SMALL[4:], "--only", "layered"]
    out = tmp_path / "figure3-smoke"
    assert run([*base, "--epochs", "2", "--out", str(tmp_path)]) == 0
    more = ["--epochs", "1", "--first-seed", "1", "--seeds", "2", "--into", str(out)]
    assert run([*base, *more]) == 0
    shown = capsys.readouterr().out
    assert "layered, 2 epochs" in shown and "layered, 1 epoch " in shown
    caption = (out / "caption.txt").read_text()
    assert "2 epochs, seed 0; 1 epoch, seeds 1, 2" in caption


@pytest.mark.parametrize("figure", ["figure3", "figure4"])
def test_a_run_that_goes_on_is_reported_as_far_as_it_is(figure, tmp_path):
    base = ["reproduce", figure, *SMALL, "--only", "layered"]
    assert run([*base, "--out", str(tmp_path)]) == 0
    path = tmp_path / f"{figure}-smoke" / "layered-seed0"
    (path / "summary.json").unlink()
    for target in (path, path.parent):
        assert run(["report", str(target), "--out", str(tmp_path / "e.html")]) == 0
        assert "No run is finished" in (tmp_path / "e.html").read_text("utf-8")


def test_single_runs_keep_their_seeds(tmp_path):
    base = ["reproduce", "figure3", *SMALL, "--only", "layered", "--first-seed", "3"]
    assert run([*base, "--out", str(tmp_path)]) == 0
    path = tmp_path / "figure3-smoke" / "layered-seed3"
    assert run(["report", str(path), "--out", str(tmp_path / "d.html")]) == 0
    text = (tmp_path / "d.html").read_text("utf-8")
    assert "layered-seed3, seed 3" in text and "seed 0" not in text


def test_bad_input_ends_in_one_message(figure, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    unwritable = tmp_path / "file"
    unwritable.write_text("")
    for arguments, message in (
        ([str(tmp_path / "empty")], "must be the folder of a run"),
        ([str(figure), str(figure / "layered-seed0")], "which mix"),
        ([str(figure), "--out", str(unwritable / "x.html")], "must name a writable file"),
    ):
        assert run(["report", *arguments]) == 5
        error = capsys.readouterr().err
        assert message in error and error.count("eqprop:") == 1


def test_runs_on_other_tables_are_no_runs_of_one_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        rows = [f"{a:.3f},{b:.3f},{int(a > b)}" for a, b in rng.random((40, 2))]
        (tmp_path / f"{name}.csv").write_text("\n".join(["a,b,larger", *rows]))
        settings = [f"data.dataset={name}.csv", "data.target=larger", "training.epochs=1"]
        arguments = [x for setting in (*settings, f"name={name}") for x in ("--set", setting)]
        assert run(["train", "--recipe", "small", *arguments]) == 0
    capsys.readouterr()
    assert run(["report", "runs/one", "runs/two"]) == 5
    error = capsys.readouterr().err
    assert "must share their examples" in error and "one.csv" in error and "two.csv" in error
