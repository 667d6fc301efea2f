"""The steps of a phase in one launch: a kernel that walks blocks and steps by itself on a GPU.

On a GPU a step of block coordinate descent is some tens of small products, and its time is that of
their launches. Here all of them happen in one kernel (Pallas, on JAX's Triton backend). Several
programs share an example: each moves some of the units of a block, and all meet before the next
block. Meetings are counters in the device's memory, so all programs must run at the same time: a
`Plan` has no more of them than the device has multiprocessors.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_batching import custom_vmap

from eqprop.energy import AbstractClampedEnergy
from eqprop.energy.products import matmul
from eqprop.relaxation.base import AbstractRelaxation
from eqprop.relaxation.moves import AbstractLinearRelaxation, Plan
from eqprop.relaxation.termination import AbstractTermination

_MOST = 40  # examples: beyond, a product fills the device by itself


def in_one_launch(
    method: AbstractRelaxation,
    prepared: AbstractClampedEnergy,
    termination: AbstractTermination,
    present: Array,
) -> Callable[[Array, Array], tuple[Array, Array]] | None:
    """Takes steps from `(steps so far, state)` until they seem done; None where no kernel can.

    **Arguments:** `prepared`: what `method` prepared; `present` `[batch]`: which places hold an
    example.
    """
    if not isinstance(method, AbstractLinearRelaxation) or len(present) > _MOST:
        return None
    is_real = method.taken_by.policy == "device"
    if method.taken_by.policy == "plain" or (is_real and not _gpus()):
        return None
    moves, enough = method.moves(prepared), termination.enough(present)
    if moves is None or enough is None or moves.push.dtype != jnp.float32:
        return None
    form = _Form(
        moves.blocks, moves.linear.blocks, moves.linear.spans, moves.linear.reach,
        moves.linear.box, moves.is_projected, method.taken_by.plan, not is_real,
    )  # fmt: skip
    numbers = jnp.stack([jnp.asarray(n, jnp.float32) for n in (termination.tolerance, moves.step)])

    def launched(steps: Array, state: Array) -> tuple[Array, Array]:
        left = jnp.asarray(termination.max_steps, jnp.int32) - steps
        limits = jnp.stack([left, jnp.ceil(jnp.asarray(enough)).astype(jnp.int32)])
        taken, end = _taken(form)(_Given(
            moves.linear.coupling, moves.keep, moves.gain, moves.push, state, limits, numbers,
            present,
        ))  # fmt: skip
        return steps + taken, end

    return launched


@functools.cache
def _gpus() -> list[Any]:
    return [device for device in jax.devices() if device.platform in ("gpu", "cuda")]


class _Given(NamedTuple):
    """The arrays of a phase; those without a word here are as in `Moves`.

    **Attributes:** `limits`: steps, and settled examples that are enough; `numbers`: the tolerance,
    and `Moves.step`; `present`: which places hold an example.
    """

    coupling: Any
    keep: Any
    gain: Any
    push: Any
    state: Any
    limits: Any
    numbers: Any
    present: Any


@dataclasses.dataclass(frozen=True)
class _Form:
    """What is fixed when the kernel is compiled: as in `Moves` and `Linear`, and who runs it."""

    blocks: tuple[tuple[int, int], ...]
    layer_blocks: tuple[tuple[int, int], ...]
    spans: tuple[tuple[int, int], ...]
    reach: tuple[tuple[int, int], ...]
    box: tuple[float, float]
    is_projected: bool
    plan: Plan | None
    interpret: bool

    def planned(self, batch: int) -> Plan:
        """The plan for so many examples."""
        if self.plan is not None:
            return self.plan
        if self.interpret:  # programs run one after the other there, and cannot meet
            return Plan(batch, 1)
        block = max(stop - start for start, stop in self.blocks)
        return Plan.fitting(batch, block, _gpus()[0].core_count)

    def reached(self, start: int, stop: int) -> tuple[int, int]:
        """The stretch of units from which a block receives anything."""
        pairs = zip(self.spans, self.reach, strict=True)
        near = [r for (begin, end), r in pairs if begin < stop and start < end and r[1] > r[0]]
        return min((low for low, _ in near), default=0), max((high for _, high in near), default=0)


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Where units stand in the kernel: every block filled up to whole tiles.

    **Attributes:**

    - `rows`: of every block: first and last tile, and the columns that its units read.
    - `places`: of every unit among the `width` of the kernel.
    - `chunk`: how many times `Plan.columns` are read without a loop.
    """

    rows: list[tuple[int, int, int, int]]
    places: list[int]
    width: int
    chunk: int

    @staticmethod
    def of(form: _Form, plan: Plan) -> _Layout:
        tile, columns = plan.tile, plan.columns
        places, begins, ends, end = [], {}, {}, 0
        # The blocks of layers, where a step has all units for its only block.
        cuts = sorted({*form.blocks, *form.layer_blocks})
        for start, stop in cuts:
            if any(_inside(other, (start, stop)) for other in cuts):
                continue
            begins[start] = end
            places += range(end, end + stop - start)
            end += -(-(stop - start) // tile) * tile
            ends[stop] = end
        rows = []
        for start, stop in form.blocks:
            first, last = form.reached(start, stop)
            low = begins[first] // columns * columns if last else 0
            high = ends[last] if last else 0
            rows.append((begins[start] // tile, ends[stop] // tile, low, high))
        wanted = -(-end // plan.columns)
        chunks = -(-wanted // plan.chunk)
        chunk = -(-wanted // chunks)
        return _Layout(rows, places, chunks * chunk * columns, chunk)


def _inside(part: tuple[int, int], whole: tuple[int, int]) -> bool:
    return part != whole and whole[0] <= part[0] and part[1] <= whole[1]


@functools.cache
def _taken(form: _Form) -> Callable[..., tuple[Array, Array]]:
    """Steps and states by the kernel; by plain products for networks that are mapped over.

    In one launch they would share the multiprocessors. On an H100 64 networks take two to four
    times as long that way as by products for all of them.
    """
    taken = custom_vmap(functools.partial(_launch, form))

    @taken.def_vmap
    def _(size: int, batched: list[_Given], given: _Given) -> Any:
        axes = _Given(*(0 if has else None for has in batched[0]))
        return jax.vmap(functools.partial(_plainly, form), (axes,))(given), (True, True)

    return taken


def _plainly(form: _Form, given: _Given) -> tuple[Array, Array]:
    """What the kernel does, by a product for every block."""
    coupling, keep, gain, push, state, limits, numbers, present = given
    low, high = form.box
    tolerance, step = numbers

    def take_step(carry: Any) -> Any:
        steps, state, _ = carry
        seen = jnp.zeros(len(state), state.dtype)
        for start, stop in form.blocks:
            here, block = state[:, start:stop], slice(start, stop)
            first, last = form.reached(start, stop)
            drawn = matmul(state[:, first:last], coupling[first:last, block])
            moved = keep[None, block] * here + gain[None, block] * drawn + push[:, block]
            new = jnp.clip(moved, low, high)
            ahead = new if form.is_projected else jnp.clip(here + (moved - here) / step, low, high)
            off = jnp.abs(ahead - here) / (step if form.is_projected else 1)
            seen = jnp.maximum(seen, jnp.max(off, axis=1))
            state = state.at[:, block].set(new)
        finite = jnp.isfinite(seen)
        settled = jnp.sum(present & (~finite | (seen <= tolerance)))
        return steps + 1, state, (settled >= limits[1]) | ~jnp.any(present & finite)

    def goes_on(carry: Any) -> Array:
        return (carry[0] < limits[0]) & ~carry[2]

    start = (jnp.int32(0), state, limits[1] <= 0)
    return lax.while_loop(goes_on, take_step, start)[:2]


def _launch(form: _Form, given: _Given) -> tuple[Array, Array]:
    """The steps taken and where the states are then."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton

    coupling, keep, gain, push, state, limits, numbers, present = given
    batch, units = state.shape
    plan = form.planned(batch)
    layout = _Layout.of(form, plan)
    groups = -(-batch // plan.examples)
    filled, width = groups * plan.examples, layout.width
    places = np.array(layout.places)
    # Places that no unit has read a row and a column of zeros.
    back = np.full(width, units)
    back[places] = np.arange(units)

    def wide(array: Array) -> Array:
        return jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, 1)])[..., back]

    def deep(array: Array) -> Array:
        return jnp.pad(array, [(0, filled - batch)] + [(0, 0)] * (array.ndim - 1))

    square = jnp.pad(coupling, [(0, 1), (0, 1)])[back][:, back]
    first = deep(wide(state))
    counters = jnp.zeros((groups + 1, 32), jnp.int32)  # a cache line each
    seen = jnp.zeros((2, filled, plan.members), jnp.float32)
    inputs = (
        jnp.asarray(layout.rows, jnp.int32), square, wide(keep), wide(gain), deep(wide(push)),
        limits, numbers, deep(present.astype(jnp.int32)), jnp.stack([first, first]).ravel(),
        counters, seen,
    )  # fmt: skip
    changed = inputs[-3:]
    shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in changed]
    states, *_, steps = pl.pallas_call(
        functools.partial(_kernel, form, layout, plan, groups),
        out_shape=[*shapes, jax.ShapeDtypeStruct((32,), jnp.int32)],
        grid=(plan.members, groups),
        input_output_aliases={len(inputs) - 3 + k: k for k in range(3)},
        interpret=form.interpret,
        compiler_params=triton.CompilerParams(num_warps=plan.warps, num_stages=1),
        name="steps_of_a_phase",
    )(*inputs)
    last = states.reshape(2, filled, width)[steps[0] % 2]
    return steps[0], last[:batch, places]


def _kernel(form: _Form, layout: _Layout, plan: Plan, groups: int, *refs: Any) -> None:
    """What one program does; `refs` as `_launch` hands them over.

    States stand twice: a step reads the old ones of its block and of the blocks behind it, and the
    new ones of the blocks before, so that nobody reads what another member just writes.
    """
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton

    (rows, coupling, keep, gain, push, limits, numbers, present, *_) = refs[:11]
    states, counters, seen, taken = refs[11:]
    tile, columns, width = plan.tile, plan.columns, layout.width
    filled = groups * plan.examples
    member, group = pl.program_id(0), pl.program_id(1)
    mine = [group * plan.examples + e for e in range(plan.examples)]
    low, high = form.box
    tolerance, step = numbers[0], numbers[1]
    number_of_blocks = len(layout.rows)

    def meet(counter: Any, members: int, times: Array) -> None:
        """Waits until `members` programs have come here for the `times`-th time."""
        if form.interpret:
            return
        triton.debug_barrier()
        if members == 1:
            return
        place = counters.at[counter, 0]
        arrived = triton.atomic_add(place, (), 1) + 1
        lax.while_loop(
            lambda count: count < members * times,
            lambda _: triton.atomic_add(place, (), 0),
            arrived,
        )

    def flat(side: Any, example: Any, unit: Any) -> Any:
        return pl.ds((side * filled + example) * width + unit[0], unit[1])

    def move_tile(place: Array, side: Array, bounds: Any, off: list[Array]) -> list[Array]:
        first, begin, end = bounds
        unit = place * tile, tile
        own = pl.ds(*unit)
        # Read before the products: behind the sums, which threads wait for, they would cost a wait.
        kept, passed = keep[own], gain[own]
        here = [states[flat(side, example, unit)] for example in mine]
        pushed = [push[example, pl.ds(*unit)] for example in mine]

        def read(start: Any, total: list[Array]) -> list[Array]:
            span = start, columns
            # One answer for all columns, so that they are read in wide words.
            within = (begin <= start) & (start < end)
            weights = triton.load(
                coupling.at[pl.ds(*unit), pl.ds(*span)],
                mask=jnp.broadcast_to(within, (tile, columns)),
                other=0.0,
            )
            is_new = start + jnp.arange(columns) < first
            seen = []
            for e, example in enumerate(mine):
                new = triton.load(
                    states.at[flat(1 - side, example, span)], mask=within & is_new, other=0.0
                )
                old = triton.load(
                    states.at[flat(side, example, span)], mask=within & ~is_new, other=0.0
                )
                seen.append(total[e] + weights * (new + old)[None, :])
            return seen

        def read_chunk(number: Any, total: list[Array]) -> list[Array]:
            for k in range(layout.chunk):
                total = read((number * layout.chunk + k) * columns, total)
            return total

        total = [jnp.zeros((tile, columns), jnp.float32) for _ in mine]
        chunks = width // (columns * layout.chunk)
        total = read_chunk(0, total) if chunks == 1 else lax.fori_loop(0, chunks, read_chunk, total)
        found = []
        for e, example in enumerate(mine):
            moved = kept * here[e] + passed * jnp.sum(total[e], axis=1) + pushed[e]
            new = jnp.clip(moved, low, high)
            states[flat(1 - side, example, unit)] = new
            if form.is_projected:
                residual = jnp.abs(new - here[e]) / step
            else:
                ahead = here[e] + (moved - here[e]) / step
                residual = jnp.abs(jnp.clip(ahead, low, high) - here[e])
            # Not a number must not hide behind a smaller one.
            found.append(jnp.where(residual > off[e], residual, jnp.where(
                residual == residual, off[e], jnp.inf)))  # fmt: skip
        return found

    def move_block(number: Any, side: Array, off: list[Array]) -> list[Array]:
        begin, end = rows[number, 0], rows[number, 1]
        bounds = begin * tile, rows[number, 2], rows[number, 3]
        count = (end - begin - member + plan.members - 1) // plan.members
        return lax.fori_loop(
            0,
            count,
            lambda k, off: move_tile(begin + member + k * plan.members, side, bounds, off),
            off,
        )

    everybody = jnp.arange(_power(filled))
    among = jnp.arange(_power(plan.members))
    there = triton.load(
        present.at[jnp.minimum(everybody, filled - 1)], mask=everybody < filled, other=0
    )

    def take_step(carry: Any) -> Any:
        steps, _ = carry
        side = steps & 1
        off = [jnp.zeros(tile, jnp.float32) for _ in mine]

        def in_turn(number: Any, off: list[Array]) -> list[Array]:
            off = move_block(number, side, off)
            meet(group, plan.members, steps * (number_of_blocks - 1) + number + 1)
            return off

        if number_of_blocks > 1:
            off = lax.fori_loop(0, number_of_blocks - 1, in_turn, off)
        off = move_block(number_of_blocks - 1, side, off)
        for e, example in enumerate(mine):
            seen[side, example, member] = jnp.max(off[e])
        meet(groups, plan.members * groups, steps + 1)
        inside = (everybody[:, None] < filled) & (among[None, :] < plan.members)
        residuals = triton.load(
            seen.at[
                side,
                jnp.minimum(everybody, filled - 1)[:, None],
                jnp.minimum(among, plan.members - 1)[None, :],
            ],
            mask=inside,
            other=0.0,
        )
        worst = jnp.max(residuals, axis=1)
        # What is not finite waits for nobody.
        finite = worst < jnp.inf
        here = there > 0
        settled = jnp.sum((here & (~finite | (worst <= tolerance))).astype(jnp.int32))
        moving = jnp.sum((here & finite).astype(jnp.int32))
        done = (settled >= limits[1]) | (moving == 0)
        return steps + 1, done

    nobody = limits[1] <= 0
    steps, _ = lax.while_loop(
        lambda carry: (carry[0] < limits[0]) & ~carry[1], take_step, (0, nobody)
    )
    taken[0] = steps


def _power(count: int) -> int:
    """The smallest power of 2 that holds so many."""
    return 1 << (count - 1).bit_length()
