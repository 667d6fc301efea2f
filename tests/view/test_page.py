"""The page settles where the package does, and every control of it does something.

Oracle of states and corrections: the package itself, in double precision, with the weights that the
page holds.
"""

from __future__ import annotations

import shutil

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.energy import Activities, CrossEntropy, Sigmoid, SquaredError, Tanh
from eqprop.errors import ConfigError
from eqprop.learning import Batch
from eqprop.relaxation import Joint, Split
from eqprop.view.page import EulerSteps, Shelf, Shown, rounded, write_page

NAMES = ("chromium", "google-chrome", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="browser: Chromium is not installed (apt install chromium)"
)
CLASSES = ["0", "1", "2", "3"]
PIXELS = (np.random.default_rng(0).integers(0, 256, (6, 36)) / np.float32(255)).astype(np.float32)
SHELF = Shelf(PIXELS, np.array([0, 1, 2, 3, 0, 1]), CLASSES, "six examples")
SIZES = [36, 24, 24, 24, 4]
FULL = eqprop.with_intralayer(eqprop.layered(SIZES))


def network(topology, seed=0, scale=0.8, **settings):
    """One whose hidden units are neither all 0 nor all 1."""
    made = eqprop.Network.initialize(topology, seed=seed, **settings)
    rng = np.random.default_rng(seed)
    biases = {k: jnp.asarray(rng.uniform(-0.1, 0.3, v.shape), v.dtype) for k, v in
              made.hopfield.biases.items()}  # fmt: skip
    made = eqx.tree_at(lambda n: n.hopfield.biases, made, biases)
    return eqx.tree_at(
        lambda n: n.hopfield.weights, made, {k: scale * w for k, w in made.hopfield.weights.items()}
    )


def read_out(topology, feedback):
    cost = CrossEntropy.initialize(24, 4, jax.random.key(1))
    return network(topology, activation=Activities(Tanh()), cost=cost, feedback=feedback)


KINDS = {
    "layered": lambda: network(eqprop.layered(SIZES)),
    "rewired": lambda: network(eqprop.rewire(FULL, p=0.15, seed=1)),
    "half a squared error": lambda: network(
        eqprop.rewire_each(eqprop.layered(SIZES), p=0.2, seed=1), cost=SquaredError(0.5)
    ),
    "sigmoids": lambda: network(eqprop.layered(SIZES), activation=Activities(Sigmoid())),
    "weakened": lambda: read_out(eqprop.rewire(eqprop.layered(SIZES[:-1]), p=0.1, seed=2), 0.1),
    "not weakened": lambda: read_out(eqprop.layered(SIZES[:-1]), 1.0),
}
BETAS = {"layered": 0.5, "rewired": 1.0, "half a squared error": 0.2, "sigmoids": 0.3,
         "weakened": 0.5, "not weakened": 0.5}  # fmt: skip


def model_of(made):
    return eqprop.Model(made.hopfield.topology(), network=made)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page; the test fails if the page had an error or asked for anything but itself."""
    problems, pages = [], []

    def go(path, address="", **settings):
        page = browser.new_context(**settings).new_page()
        pages.append(page)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: problems.append(r.url) if r.url.split("#")[0] !=
                path.as_uri() else None)  # fmt: skip
        page.goto(path.as_uri() + address)
        return page

    yield go
    for page in pages:
        page.context.close()
    assert problems == []


def states(page, number=0, kind="states"):
    """Of all free units."""
    told = f"[...eqprop.networks[{number}].{kind}.slice(1)].map((layer) => [...layer]).flat()"
    return np.array(page.evaluate(told))


def settled(made, x, target, beta, steps=None):
    """Free state, and the correction of each pair of layers, in double precision."""
    exact = jax.tree.map(lambda a: a.astype(np.float64) if a.dtype == np.float32 else a, made)
    x, y = jnp.asarray(x[None], np.float64), jnp.asarray(np.eye(4)[[target]])
    phase = eqprop.Phase(
        eqprop.BlockCoordinateDescent(0.5, block_size=8),
        eqprop.Residual(1e-12, max_steps=20_000),
    )
    state = exact.cold_state(1)
    free = eqprop.relax(exact.energy.clamp(x), state, phase.method, phase.termination)
    assert float(free.residual.max()) < 1e-11
    nudged = phase
    if steps is not None:
        step = Split() if steps.is_split else Joint()
        method = eqprop.Euler(steps.size, nudging_step=step)
        nudged = eqprop.Phase(method, eqprop.FixedSteps(steps.count))
    rule = eqprop.EquilibriumPropagation(eqprop.OneSided(beta), phase, nudged)
    found = rule.estimate(exact, Batch.of(x, y, state)).gradient
    corrections = {}
    for pair, gradient in found.hopfield.weights.items():
        there = np.asarray(gradient)[np.asarray(exact.hopfield.masks[pair])]
        corrections[pair] = float(np.sqrt(np.mean(there**2))) if len(there) else float("nan")
    return np.asarray(free.state[0]), corrections


@needs_browser
@pytest.mark.parametrize("precision", ["float16", "int8"])
@pytest.mark.parametrize("kind", KINDS)
def test_states_and_corrections_are_those_of_the_package(kind, precision, opened, tmp_path, x64):
    made, beta = KINDS[kind](), BETAS[kind]
    shown = Shown(kind, model_of(made), beta)
    path = write_page(tmp_path / "view.html", [shown], SHELF, precision)
    own = rounded(made, precision)
    assert not np.array_equal(own.hopfield.weights[1, 0], made.hopfield.weights[1, 0])
    page = opened(path, "#target=2&nudged=false")
    page.evaluate("eqprop.settle()")
    free, corrections = settled(own, PIXELS[0], 2, beta)
    assert np.ptp(free) > 0.2 and ((free > 0.01) & (free < 0.99)).sum() > 10
    np.testing.assert_allclose(states(page), free, atol=1e-6)
    page.click("#nudge")
    page.evaluate("eqprop.settle()")
    assert np.abs(states(page) - free).max() > 1e-3
    assert page.evaluate("eqprop.networks[0].nudge.beta") == beta
    told = page.evaluate("eqprop.networks[0].corrections().map(c => [c.post, c.pre, c.size])")
    shown_sizes = {(int(post), int(pre)): size for post, pre, size in told}
    assert shown_sizes.keys() == {k for k, v in corrections.items() if not np.isnan(v)}
    for pair, size in shown_sizes.items():
        assert size == pytest.approx(corrections[pair], rel=1e-4, abs=1e-9), pair
    np.testing.assert_allclose(states(page, kind="free"), free, atol=1e-6)


@needs_browser
@pytest.mark.parametrize("is_split", [True, False])
@pytest.mark.parametrize("kind", ["rewired", "half a squared error"])
def test_steps_of_training_are_those_of_the_package(kind, is_split, opened, tmp_path, x64):
    made, steps = KINDS[kind](), EulerSteps(5, 0.4, is_split)
    path = write_page(tmp_path / "view.html", [Shown(kind, model_of(made), 0.5, steps)], SHELF)
    page = opened(path, "#target=2&nudged=true")
    page.evaluate("eqprop.settle()")
    _, corrections = settled(rounded(made, "float16"), PIXELS[0], 2, 0.5, steps)
    _, others = settled(rounded(made, "float16"), PIXELS[0], 2, 0.5)
    told = page.evaluate("eqprop.networks[0].corrections().map(c => [c.post, c.pre, c.size])")
    for post, pre, size in told:
        assert size == pytest.approx(corrections[post, pre], rel=1e-4, abs=1e-9)
    assert corrections[1, 0] != pytest.approx(others[1, 0], rel=0.05)
    page.select_option("#how", "settled")
    page.evaluate("eqprop.settle()")
    (size,) = page.evaluate(
        "eqprop.networks[0].corrections().filter(c => c.post === 1 && c.pre === 0).map(c => c.size)"
    )
    assert size == pytest.approx(others[1, 0], rel=1e-4)


@needs_browser
def test_the_energy_is_that_of_the_package(opened, tmp_path, x64):
    for kind in ("rewired", "sigmoids", "weakened"):
        made = rounded(KINDS[kind](), "float16")
        path = write_page(tmp_path / "view.html", [Shown(kind, model_of(made))], SHELF)
        page = opened(path)
        page.evaluate("eqprop.settle()")
        exact = jax.tree.map(lambda a: a.astype(np.float64) if a.dtype == np.float32 else a, made)
        wanted = exact.energy.energy(jnp.asarray(PIXELS[0], np.float64), jnp.asarray(states(page)))
        assert abs(float(wanted)) > 0.1
        assert page.evaluate("eqprop.networks[0].energy()") == pytest.approx(float(wanted), 1e-6)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two networks side by side: layered, and with skip connections."""
    path = tmp_path_factory.mktemp("pair") / "view.html"
    steps = EulerSteps(8, 0.5, True)
    shown = [Shown(kind, model_of(KINDS[kind]()), 1.0, steps) for kind in ("layered", "rewired")]
    return write_page(path, shown, SHELF)


def seen(page):
    """Everything that a look at the page tells."""
    page.evaluate("eqprop.settle()")
    return page.evaluate(
        "[document.querySelector('main').innerText, [...document.querySelectorAll('canvas')]"
        ".map(c => c.toDataURL()).join(), ...[...document.querySelectorAll('svg')]"
        ".map(s => s.innerHTML)].join()"
    )


SLIDERS = {"keep": "40", "rewire": "20", "bits": "3", "noise": "50"}


@needs_browser
def test_every_control_does_something(pair, opened):
    page = opened(pair)
    looks = [seen(page)]

    def differs(what):
        looks.append(seen(page))
        assert looks[-1] != looks[-2], what

    for button in ("next", "nudge", "previous", "clear"):
        page.click(f"#{button}")
        differs(button)
    page.click("#reset")
    differs("reset")
    assert looks[-1] == looks[0]
    page.select_option("#start", "ones")
    differs("start")
    page.click("#nudge")
    differs("nudge")
    page.select_option("#target", "3")
    differs("target")
    page.locator("#beta").fill("2")
    differs("beta")
    page.select_option("#how", "settled")
    differs("how")
    for name, value in SLIDERS.items():
        before = page.evaluate("eqprop.networks[1].blocks.map(b => [...b.weights])")
        page.locator(f"#{name}").fill(value)
        differs(name)
        assert page.evaluate("eqprop.networks[1].blocks.map(b => [...b.weights])") != before
    page.click("#reset")
    page.click("#imagine")
    differs("imagine")
    assert page.evaluate("[...eqprop.networks[0].states[0]].some(v => v > 0)")
    assert page.evaluate("[...eqprop.networks[0].states.at(-1)]") == [1, 0, 0, 0]
    page.click("#imagine")
    page.click("#again")
    page.locator("#speed").fill("0")
    page.click("#play")  # pauses
    page.click("#step")
    sweeps = page.evaluate("eqprop.networks[0].sweeps")
    page.click("#step")
    assert page.evaluate("eqprop.networks[0].sweeps") == sweeps + 1
    page.click("#play")
    page.wait_for_function(f"eqprop.networks[0].sweeps > {sweeps + 1}")
    assert page.text_content("#speedout") == "1"


@needs_browser
def test_a_drawing_settles_and_its_address_brings_it_back(pair, opened):
    page = opened(pair)
    box = page.locator("#draw").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 120, steps=4)
    page.mouse.up()
    page.locator("#bits").fill("4")
    page.click("#nudge")
    page.select_option("#target", "1")
    first, drawn = seen(page), page.evaluate("[...eqprop.networks[0].states[0]]")
    assert 5 < sum(v > 0.5 for v in drawn) < 30 and "Your drawing." in first
    again = opened(pair, page.evaluate("location.hash"))
    assert seen(again) == first


@needs_browser
def test_keys(pair, opened):
    page = opened(pair)
    for key, name, value in (
        ("n", "example", "1"), ("x", "nudged", "true"), ("3", "target", "3"),
    ):  # fmt: skip
        page.keyboard.press(key)
        page.evaluate("eqprop.settle()")
        assert f"{name}={value}" in page.evaluate("location.hash")
    page.keyboard.press("r")
    page.keyboard.press(" ")
    page.keyboard.press("s")
    assert page.evaluate("eqprop.networks[0].sweeps") >= 1
    page.keyboard.press("c")
    assert page.evaluate("eqprop.networks[0].states[0].every((v) => v === 0)")


@needs_browser
def test_who_wants_less_motion_sees_the_equilibrium_at_once(pair, opened):
    page = opened(pair, reduced_motion="reduce")
    assert page.text_content("#play") == "Settled"
    assert page.evaluate("eqprop.networks.every((n) => n.residual <= 1e-9)")


@needs_browser
def test_an_address_that_makes_no_sense_opens_the_page(pair, opened):
    page = opened(pair, "#example=99&beta=x&start=never&bits=-3&drawn=%%%&colour=red&keep=1e9")
    page.evaluate("eqprop.settle()")
    assert page.evaluate("eqprop.networks[0].residual") <= 1e-9


@needs_browser
def test_a_phone_shows_all_of_it(pair, opened):
    page = opened(pair, viewport={"width": 360, "height": 700})
    seen(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@needs_browser
def test_a_network_whose_skips_are_full_is_rewired_as_far_as_it_goes(opened, tmp_path):
    made = network(eqprop.layered([36, 20, 4]))
    path = write_page(tmp_path / "view.html", [Shown("one layer", model_of(made))], SHELF)
    page = opened(path, "#rewire=40")
    page.evaluate("eqprop.settle()")
    counts = page.evaluate("eqprop.networks[0].counts")
    assert counts["skip"] == 36 * 4 and sum(counts.values()) == 36 * 20 + 20 * 4


@needs_browser
def test_what_two_states_cannot_show_is_not_shown(opened, tmp_path):
    for layers, shown in ((3, True), (10, False)):
        cost = CrossEntropy.initialize(12, 4, jax.random.key(1))
        topology = eqprop.layered([36, *[12] * layers])
        made = network(topology, activation=Activities(Tanh()), cost=cost, feedback=0.01)
        path = write_page(tmp_path / "view.html", [Shown("deep", model_of(made), 0.5)], SHELF)
        page = opened(path, "#nudged=true&target=2")
        page.evaluate("eqprop.settle()")
        assert page.locator("rect[data-size]").count() == (layers if shown else 0)
        told = page.inner_text(".network")
        assert ("Training carries the difference itself" in told) != shown
        assert page.inner_text("#play") == "Settled"


@needs_browser
def test_other_starts_find_other_equilibria(opened, tmp_path, x64):
    made = network(FULL, seed=3, scale=4.0)
    made = eqx.tree_at(
        lambda n: n.hopfield.biases,
        made,
        {k: -0.5 + 0 * b for k, b in made.hopfield.biases.items()},
    )
    path = write_page(tmp_path / "view.html", [Shown("deep wells", model_of(made))], SHELF)
    ends = []
    for start in ("zeros", "ones"):
        page = opened(path, f"#start={start}")
        page.evaluate("eqprop.settle()")
        ends.append(states(page))
    assert np.abs(ends[0] - ends[1]).max() > 0.5


def test_what_the_page_does_not_know_it_refuses_by_name(tmp_path):
    base = eqprop.layered(SIZES)

    def refused(message, made, shelf=SHELF, count=1):
        with pytest.raises(ConfigError, match=message):
            write_page(tmp_path / "no.html", [Shown("one", model_of(made))] * count, shelf)

    refused("got Tanh, whose", eqprop.Network.initialize(base, seed=0, activation=Tanh()))
    refused("one network or two, got 3", KINDS["layered"](), count=3)
    refused("36 and 4, got 36 and 5", network(eqprop.layered([36, 8, 5])))
    refused(
        "4,000,000 possible connections at most, got 4,",
        network(eqprop.layered([36, 2100, 2000, 4])),
    )

    class Weight(eqprop.AbstractTerm):
        def __call__(self, x, state):
            return 0.1 * jnp.sum(state**2)

    plain = KINDS["layered"]()
    own = eqx.tree_at(lambda n: n.energy, plain, plain.energy.plus(Weight()))
    refused("terms of its own: Weight", own)
    with pytest.raises(ConfigError, match=r"`precision` .*'int4'"):
        write_page(tmp_path / "no.html", [Shown("one", model_of(plain))], SHELF, "int4")  # pyright: ignore[reportArgumentType]
    assert not (tmp_path / "no.html").exists()


@needs_browser
def test_two_runs_that_trained_otherwise_each_go_on_as_they_did(opened, tmp_path, x64):
    made = KINDS["layered"]()
    ways = {"one": (0.5, EulerSteps(8, 0.5, True)), "two": (0.2, EulerSteps(3, 0.25, False))}
    shown = [Shown(name, model_of(made), beta, steps) for name, (beta, steps) in ways.items()]
    page = opened(write_page(tmp_path / "view.html", shown, SHELF), "#target=2")
    assert page.text_content("#how") == (
        "as in training: 8 steps of 0.5, 3 steps of 0.25until it settles"
    )
    assert page.inner_text("#betaout") == "0.2"
    page.evaluate("eqprop.settle()")
    page.click("#nudge")
    page.evaluate("eqprop.settle()")
    for number, (_, steps) in enumerate(ways.values()):
        _, exact = settled(rounded(made, "float16"), PIXELS[0], 2, 0.2, steps)
        found = page.evaluate(f"eqprop.networks[{number}].corrections()")
        assert len(found) == len(exact) == 4
        for one in found:
            assert one["size"] == pytest.approx(exact[one["post"], one["pre"]], 1e-4, 1e-9)
