"""Defects in the physics and its bookkeeping, each of which a test with an oracle must notice.

    python tests/mutants.py            # all of them, one after the other
    python tests/mutants.py "beta"     # those whose name contains a word

Each mutant is one change to a copy of the package; the named tests must pass on the original
and fail on the mutant. Prints one line per mutant and exits 1 if one survives.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GRADIENT = "tests/learning/test_gradient.py"
REFERENCE = "tests/learning/test_reference.py"
RELAX = "tests/relaxation/test_relax.py"
HOPFIELD = "tests/energy/test_hopfield.py"
TRAINING = "tests/training/test_training.py"
RUN = "tests/python/test_run.py"
RULES = "tests/learning/test_rules.py"
CARRIED = "tests/learning/test_carried.py"
FEEDBACK = "tests/energy/test_feedback.py"
SETTINGS = "tests/config/test_every_setting.py"
DEVICES = "tests/devices/test_devices.py"
ANALOG = "tests/devices/test_analog.py"
PROGRAMMING = "tests/devices/test_programming.py"
TOPOLOGY = "tests/topology/test_topology.py"
EP = "learning/equilibrium_propagation.py"
STEP = "relaxation/nudged_step.py"


@dataclasses.dataclass(frozen=True)
class Mutant:
    """`old` becomes `new` in `file`; `test` must fail then."""

    name: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = [
    Mutant("a leak spares the second device of a pair", "devices/analog.py",
           'own["minus"] -= self.effects.leak * own["minus"]',
           'own["minus"] -= 0 * own["minus"]', ANALOG),
    Mutant("a longer run that was killed skips epochs", "running/in_progress.py",
           "self.save()  # killed", "pass  # killed", RUN),
    Mutant("the best network is judged by other examples", "running/looks.py",
           "cold.of(self.part) if whole else cold", "cold", RUN),
    Mutant("a network pruned last is told by its look before", "running/in_progress.py",
           'summary["epoch"] in pruned', "False", "tests/running/test_pruning.py"),
    Mutant("a signal to workers ends them at once", "sweeps/workers.py",
           "with listening(_TO_WORKERS, say", "with listening((), say",
           "tests/sweeps -k whole_group"),
    Mutant("launchers forget each other's cells", "sweeps/sweep.py",
           "return _extended(sweep if known is None else known, configs)",
           "return _extended(sweep, configs)", "tests/sweeps -k at_once"),
    Mutant("a cell that was thrown away stands in the way", "sweeps/sweep.py",
           "for cell in sweep.cells if sweep.has(cell)}", "for cell in sweep.cells}",
           "tests/sweeps -k all_the_data"),
    Mutant("labels that are objects are split as they come", "data/preparing.py",
           "return _classes(target.reshape(len(target)))[1]", "return np.zeros((len(target), 1))",
           "tests/data -k keeps_its_share"),
    Mutant("devices are as unlike in their two directions as from one to another",
           "devices/analog.py", "found = factor + apart, factor - apart",
           "found = factor, self._alike(second)", "tests/devices -k apart_by_a_spread"),
    Mutant("pulses of exponential devices scatter by a step at 0", "devices/writing.py",
           "varied = size + self.noise_floor", "varied = self.pulses.step + self.noise_floor",
           "tests/devices -k exponential_pulses"),
    Mutant("pulses of linear devices scatter by the usual device's step", "devices/writing.py",
           "if self.noise_grows else size", "if self.noise_grows else self.pulses.step",
           "tests/devices -k in_steps_of_the_device"),
    Mutant("noise of phase-change memory does not grow with its value", "devices/writing.py",
           "self.noise_floor + self.noise_slope * jnp.abs(value)", "self.noise_floor",
           "tests/devices -k noisier_the_more"),
    Mutant("an interrupted fit loses the memory of the one before", "training/trainer.py",
           "held, remembered, seen = copied(taken)", "held, remembered, seen = taken",
           "tests/training -k interrupted"),
    Mutant("outputs that are held drift", "energy/total.py",
           "return self.start(self.free.project(state))", "return self.free.project(state)",
           "tests/learning -k stay_where"),
    Mutant("a circle's real end counts twice", "learning/holomorphic.py",
           "(2 * places == self.points)", "(angles == np.pi)",
           "tests/learning -k any_number"),
    Mutant("the audit asks another rule", "running/in_progress.py",
           "return self.objects.rule or build_rule(self.config, 1)",
           "return build_rule(self.config, 1)", RUN),
    Mutant("momentum hides what it moves", "relaxation/accelerated.py",
           "return self.method.innermost", "return self", RULES),
    Mutant("the spread of devices is not frozen", "devices/analog.py",
           'first, second = own["unlike"][:2]', 'first, second = own["unlike"][:2] + own["age"]', ANALOG),
    Mutant("devices that are good are programmed again", "devices/programming.py",
           "is_off = jnp.abs(off) > tolerance", "is_off = off != 0", PROGRAMMING),
    Mutant("corrections never shrink", "devices/programming.py",
           "_ON, _BACK = 2.0, 0.25", "_ON, _BACK = 2.0, 2.0", PROGRAMMING),
    Mutant("small corrections are rounded away", "devices/writing.py",
           "return jnp.where(update == 0, 0, least)", "return jnp.where(update == 0, 0, 0)",
           PROGRAMMING),
    Mutant("levels are programmed by chance", "devices/writing.py",
           'return Rounded(self.step, "nearest", least=1)', "return self", PROGRAMMING),
    Mutant("who programs does not read", "devices/programming.py",
           "there = device.cells(reading, held)", "there = held.network", PROGRAMMING),
    Mutant("a range has one end", "devices/writing.py",
           "jnp.clip(found, room.low, room.high), before)",
           "jnp.minimum(found, room.high), before)", ANALOG),
    Mutant("write noise is drawn anew by every read", "devices/analog.py",
           'effects.write_noise * own.get("noise", 0)', "effects.write_noise * noise", ANALOG),
    Mutant("steps down are as large as those up", "devices/writing.py",
           "(1 - self.up_down) * unlike[1]", "(1 + self.up_down) * unlike[1]", ANALOG),
    Mutant("states are not read for an update", "learning/differences.py",
           "slopes = tuple((c, batch.seen(k, s)) for k, (c, s) in zip(keys[2:], slopes, strict=True))",
           "slopes = tuple(slopes)", ANALOG),
    Mutant("every skip connection is weakened by the same factor", "energy/feedback.py",
           "return self.strength ** max(0, other - layer)",
           "return self.strength if other > layer else 1.0", FEEDBACK),
    Mutant("g^L is missing at the cost", "energy/feedback.py",
           "return self.strength ** (layer - self.last)", "return self.strength**layer", CARRIED),
    Mutant("a wrong sign in the difference of tanh", "energy/activation.py",
           "* (t / scale) / (1 + activity * t)", "* (t / scale) / (1 - activity * t)", CARRIED),
    Mutant("a wrong sign in the difference of the sigmoid", "energy/activation.py",
           "/ (1 + (2 * activity - 1) * t)", "/ (1 - (2 * activity - 1) * t)", CARRIED),
    Mutant("differences are weakened like states", "energy/connections.py",
           "blocks = _blocks(ways(self), self.layer_sizes, self.block_size, back, batch)",
           "blocks = self.blocks", CARRIED),
    Mutant("differences lose the product of both ends", "energy/connections.py",
           "before = before + feedback.scale(pre) * e_pre", "before = before", CARRIED),
    Mutant("a read-out learns by the contrast", "learning/differences.py",
           "readout = _readout(network, batch.target, free, weights, axis)",
           "readout = _readout(network, batch.target, slopes[0][1], weights, axis)", CARRIED),
    Mutant("units held at a bound move with the smallest nudge", "energy/activation.py",
           "return jnp.where(state <= 0, jnp.minimum(drawn, 0), beyond)", "return state", CARRIED),
    Mutant("an exponential schedule ends where it began", "training/settings.py",
           "optax.exponential_decay(1.0, updates, self.final_rate)",
           "optax.exponential_decay(1.0, updates, 1.0)", SETTINGS),
    Mutant("intralayer weights are drawn at the scale of skips", "running/build.py",
           "intralayer_scale=wanted.intralayer_scale", "intralayer_scale=skip_scale", SETTINGS),
    Mutant("phases see what is held, not what is read", "training/train.py",
           "network = own.device.read(reading, state.held)", "network = state.held.network",
           DEVICES),
    Mutant("a device forgets what it remembers", "training/train.py",
           'arrays |= tree_to_arrays(self.held.state, "device")', "pass", DEVICES),
    Mutant("beta has the wrong sign in the update", EP,
           "share = 1 / (beta - below_beta)", "share = 1 / (below_beta - beta)", GRADIENT),
    Mutant("1/beta is missing", EP,
           "share = 1 / (beta - below_beta)", "share = jnp.ones_like(beta)", GRADIENT),
    Mutant("phases are swapped", EP,
           "((share, above.state), (-share, below.state))",
           "((share, below.state), (-share, above.state))", GRADIENT),
    Mutant("the batch is summed, not averaged", "learning/base.py",
           "jnp.full(len(x), 1 / len(x), x.dtype)", "jnp.ones(len(x), x.dtype)", REFERENCE),
    Mutant("the nudged phase starts cold", 
           "learning/second_phase.py",
           "phase.relax(nudged, self.start, key)", "phase.relax(nudged, 0 * self.start, key)",
           REFERENCE),
    Mutant("the nudged state is kept as the particle", "learning/second_phase.py",
           "return Phases(slopes, free.state,", "return Phases(slopes, others[0].state,", REFERENCE),
    Mutant("the free phase is forgotten", "learning/second_phase.py",
           "return (coefficient, end), (-coefficient, self.free_state)",
           "return (coefficient, end), (coefficient, self.free_state)", REFERENCE),
    Mutant("the nudge has twice the sign", "learning/nudging.py",
           "return jnp.where(jax.random.bernoulli(key), self.beta, -self.beta), None",
           "return jnp.where(jax.random.bernoulli(key), self.beta, self.beta), None", GRADIENT),
    Mutant("centred nudging is one-sided", EP, "below = nudge(below_beta, 3)",
           "below = free", GRADIENT),
    Mutant("missing connections learn", "learning/base.py",
           "network.constrain(updates)", "updates", GRADIENT),
    Mutant("the cost has a half too many", "energy/cost.py",
           "return 2 * self.factor * (target - output)", "return self.factor * (target - output)",
           REFERENCE),
    Mutant("the cost pushes away", "energy/cost.py",
           "return 2 * self.factor * (target - output)", "return 2 * self.factor * (output - target)",
           REFERENCE),
    Mutant("split nudges the state before its step", STEP,
           "moved = total.nudge(moved, moved,", "moved = total.nudge(moved, state,", REFERENCE),
    Mutant("split nudges without the step size", STEP,
           "step_size * total.beta)", "total.beta)", REFERENCE),
    Mutant("the state is not projected", STEP,
           "new = total.project(moved)",
           "new = moved", REFERENCE),
    Mutant("Euler steps twice as far", STEP,
           "return energy.project(state + step_size * force)",
           "return energy.project(state + 2 * step_size * force)", RELAX + " " + REFERENCE),
    Mutant("the sweep uses the states of the sweep before", "relaxation/block.py",
           "prepared.minimize_block(state, block, moved=moved)",
           "prepared.minimize_block(state * 0 + here.mean(), block)",
           RELAX),
    Mutant("the nudged output forgets to be divided", "energy/activation.py",
           "return pull if stiffness is None else pull / (1 + stiffness)", "return pull",
           RELAX + " " + GRADIENT),
    Mutant("weights are transposed upwards", "energy/connections.py",
           "return weight[units].T if layer > other else back[:, units]",
           "return weight[units].T if layer > other else 0 * weight[:, units]",
           HOPFIELD),
    Mutant("intralayer coupling is not symmetric", "energy/connections.py",
           "return back[:, units] + weight[units].T", "return weight[:, units]", HOPFIELD),
    Mutant("the input drive is forgotten", "energy/connections.py",
           "total((self.coupled(active), self.input_drive, noise))", "total((self.coupled(active), noise))", HOPFIELD),
    Mutant("biases are skipped in the force", "energy/activation.py",
           "self.derivative(state) * pull + push - state",
           "self.derivative(state) * pull - state", HOPFIELD),
    Mutant("the leak is missing", "energy/activation.py",
           "self.derivative(state) * pull + push - state",
           "self.derivative(state) * pull + push", HOPFIELD),
    Mutant("rho' is 0 at the bounds", "energy/activation.py",
           "(state >= 0) & (state <= 1)", "(state > 0) & (state < 1)", HOPFIELD),
    Mutant("each pair is counted twice in the energy", "energy/connections.py",
           "0.5 * self.coupled(active)", "self.coupled(active)", HOPFIELD + " " + RELAX),
    Mutant("initial weights are too large", "energy/connections.py",
           "bound = (6 / (sizes[post] + sizes[pre])) ** 0.5",
           "bound = (12 / (sizes[post] + sizes[pre])) ** 0.5", HOPFIELD),
    Mutant("particles are not kept", "training/train.py",
           'particles.at[where].set(states, mode="drop")',
           'particles.at[where].set(0 * states, mode="drop")', TRAINING),
    Mutant("particles go to the wrong example", "training/train.py",
           "particles = particles.at[where].set(",
           "particles = particles.at[where[0], where[1] - 1].set(", TRAINING),
    Mutant("padding counts as an example", "training/train.py",
           "weights = present.astype(x.dtype) / total.astype(x.dtype)",
           "weights = jnp.ones(present.shape, x.dtype) / total.astype(x.dtype)", TRAINING),
    Mutant("one replacement too few", "topology/rewiring.py",
           "slots.connected.tolist(), slots.free.tolist()\n    if n and",
           "slots.connected.tolist(), slots.free.tolist()\n    n = max(0, n - 1)\n    if n and", TOPOLOGY),
    Mutant("replacements are drawn without putting back", "topology/rewiring.py",
           "draws = rng.integers(len(connected), size=n).tolist() if n else []",
           "draws = rng.permutation(len(connected))[:n].tolist() if n else []", TOPOLOGY),
    Mutant("p is applied twice", "topology/rewiring.py",
           "round(math.log1p(-p) / math.log1p(-1 / connections))",
           "round(math.log1p(-p * p) / math.log1p(-1 / connections))", TOPOLOGY),
    Mutant("the exact gradient moves units at a bound", "learning/exact.py",
           "both = free[:, None] & free[None, :]", "both = free[:, None] | free[None, :]", GRADIENT),
    Mutant("biases take the rate of the layer above", "learning/rates.py",
           'layers[layer - 1] if bias_rates == "below"',
           'layers[layer - 1] if bias_rates == "above"',
           GRADIENT),
    Mutant("holomorphic: points in the upper half count once", "learning/holomorphic.py",
           "np.where(on_axis, 1, 2) / self.points", "np.ones(len(angles)) / self.points", RULES),
    Mutant("holomorphic: the slope is not turned back", "learning/holomorphic.py",
           "/ (self.radius * turns)", "/ self.radius", RULES),
    Mutant("recurrent backpropagation: the adjoint has the wrong sign",
           "learning/recurrent_backpropagation.py",
           "jnp.where(self.moving, self._bend(state) + self.pull, 0)",
           "jnp.where(self.moving, self._bend(state) - self.pull, 0)", RULES),
    Mutant("recurrent backpropagation: units at a bound move", "learning/recurrent_backpropagation.py",
           "return jnp.where(self.moving, self._bend(state) + self.pull, 0)",
           "return self._bend(state) + self.pull", RULES),
    Mutant("held outputs move", "energy/total.py",
           "self.free.force(state).at[:, -self.outputs.shape[1] :].set(0)",
           "self.free.force(state)", RULES),
    Mutant("coupled learning holds outputs at the targets", "learning/contrastive.py",
           "(1 - eta) * output + eta * target", "target", RULES),
    Mutant("connections that do not exist are corrected", "learning/differences.py",
           "return network.constrain(_contrast(network, x, slopes, example_weights, origin, axis))",
           "return _contrast(network, x, slopes, example_weights, origin, axis)", GRADIENT),
    Mutant("parts of a batch are counted once", "learning/differences.py",
           "(coefficient, jnp.concatenate([one.slopes[k][1] for one in found]))",
           "(coefficient, jnp.concatenate([found[0].slopes[k][1] for one in found]))",
           "tests/training/test_shards.py"),
    Mutant("large parts of other devices are forgotten", "learning/differences.py",
           "return summed(slope(network), axis) if alone else slope(network)",
           "return slope(network)", "tests/training/test_shards.py"),
    Mutant("a first sweep takes units for 0 that have moved", "relaxation/block.py",
           "frozenset(blocks[:number]) if at_zero", "frozenset() if at_zero", FEEDBACK),
    Mutant("a batch is as settled as its part on the first device", "training/logs.py",
           "residual=lax.pmax(self.residual, SHARDS)", "residual=self.residual",
           "tests/training/test_shards.py"),
    Mutant("unsettled examples of other devices are forgotten", "training/logs.py",
           "unsettled=lax.psum(self.unsettled, SHARDS)", "unsettled=self.unsettled",
           "tests/training/test_shards.py"),
    Mutant("recorded sizes count what does not exist", "training/train.py",
           "gradient = state.network.constrain(raw.as_written())", "gradient = raw", "tests/training/test_training.py"),
    Mutant("backpropagation through time forgets a step", "learning/through_time.py",
           "jnp.arange(self.num_steps))", "jnp.arange(self.num_steps - 1))", RULES),
    Mutant("a relaxation sends one message per connection", "topology/work.py",
           "return 2 * wires.free * steps", "return wires.free * steps",
           "tests/analysis/test_complexity.py"),
    Mutant("a run is over as soon as its budget is", "running/in_progress.py",
           "ended = (self.has_spent() or self._is_patience_over()) and self.now.cursor.batch == 0",
           "ended = self.has_spent() or self._is_patience_over()",
           "tests/running/test_resume.py -k budget"),
    Mutant("both nudged phases read the same", EP, "below = nudge(below_beta, 3)",
           "below = nudge(below_beta, 2)", f"{ANALOG} -k reading"),
    Mutant("later phases read what the first one did", "learning/second_phase.py",
           "return dataclasses.replace(self, energy=clamped)", "return self", f"{ANALOG} -k reading"),
    Mutant("carried differences are told in their own scale", "learning/auditing/auditor.py",
           "wide * feedback.per_unit(feedback.scale, np.float64)", "wide * 1.0", f"{CARRIED} -k audit"),
    Mutant("states are told where their difference is asked for", "learning/auditing/auditor.py",
           "np.abs(wide - wide.mean(axis=0))", "np.abs(wide)", f"{CARRIED} -k audit"),
    Mutant("the audit compares what its oracle did not find", "learning/auditing/oracle.py",
           "counts = found & differs", "counts = differs", "tests/learning/test_audit.py"),
    Mutant("the audit takes beta without its sign", STEP,
           "rest = 1 - curvature * step_size * beta",
           "rest = 1 - curvature * step_size * abs(beta)",
           "tests/learning/test_audit.py"),
    Mutant("products are left to a device's own precision", "energy/products.py",
           "matmul = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)", "matmul = jnp.matmul",
           "tests/energy/test_products.py"),
    Mutant("cells trained together swap their networks", "training/together.py",
           "jax.tree.map(lambda leaf, k=k: leaf[k], arrays)", "jax.tree.map(lambda leaf, k=k: leaf[-1 - k], arrays)",
           "tests/running/test_team.py"),
    Mutant("cells that stand at different places train together", "running/team.py",
           "runs = [run for run in self.left if run.place() == place]", "runs = list(self.left)",
           "tests/running/test_team.py"),
    Mutant("weights of examples change nothing", "training/train.py",
           "weights *= examples.weight.at[where].get(mode=\"clip\")", "pass",
           "tests/estimators -k weights_of_examples"),
    Mutant("patience never begins anew", "running/in_progress.py",
           "cursor.best_error, cursor.since_best = error, 0", "cursor.best_error = error",
           "tests/python -k patience"),
    Mutant("any data goes on with a run", "running/objects.py",
           "if fact != wanted[name]:", "if False:", "tests/python -k what_it_takes"),
    Mutant("a longer run forgets its signs", "training/trainer.py",
           "optimizer_state=remembered, batches_seen=seen", "optimizer_state=remembered",
           "tests/estimators -k data_in_pieces"),
    Mutant("several targets of one unit are told by the largest", "training/examples.py",
           "return scores[..., 0] > 0.5 if scores.shape[-1] == 1 else scores.argmax(-1)",
           "return scores.argmax(-1)", "tests/estimators -k one_output_unit"),
    Mutant("networks trained together share their signs", "training/together.py",
           "_stacked([trainer.own for trainer in self.trainers])",
           "_stacked([(t.own[0], self.trainers[0].own[1], t.own[2]) for t in self.trainers])",
           "tests/training/test_together.py"),
    Mutant("both directions of a connection are alike", "energy/connections.py",
           "return weight[units].T if layer > other else back[:, units]",
           "return weight[units].T if layer > other else weight[:, units]",
           "tests/devices -k directions"),
    Mutant("gains reach one direction only", "devices/analog.py",
           "back[post, pre] = gains[pre][None] * (unequal * weight)",
           "back[post, pre] = unequal * weight", "tests/devices -k directions"),
    Mutant("the exact gradient takes an energy for granted", "learning/exact.py",
           "jnp.where(both, slopes.T,", "jnp.where(both, slopes,", "tests/devices -k finite"),
    Mutant("NIR: what goes back is not weakened", "exporting/parts.py",
           "yield pre, post, feedback.on_the_way(pre, post) * weights.T",
           "yield pre, post, weights.T", "tests/exporting/test_neuromorphic.py -k settles"),
    Mutant("a loaded network forgets its devices", "training/model.py",
           "return self.network if self.devices is None else self.devices(self.network)",
           "return self.network", "tests/devices -k answers"),
    Mutant("noise of writes is forgotten when training ends", "devices/analog.py",
           'for name, strength in (("age", effects.drift), ("noise", effects.write_noise))',
           'for name, strength in (("age", effects.drift),)', "tests/devices -k memory"),
    Mutant("the page lets later layers pull in full", "view/engine.js",
           "start, stop, this.g ** (b.post - layer), start)", "start, stop, 1, start)",
           "tests/view -k weakened"),
    Mutant("the page forgets what a layer weighs in a correction", "view/engine.js",
           "const scale = this.g ** (b.post - this.last) / over;", "const scale = 1 / over;",
           "tests/view -k weakened"),
    Mutant("the page nudges by half of the cost", "view/engine.js",
           "stiffness(beta) { return 2 * this.told.factor * beta; }",
           "stiffness(beta) { return this.told.factor * beta; }", "tests/view -k rewired"),
    Mutant("the page leaves connections inside layers out", "view/engine.js",
           "if (b.pre === layer) this.back(", "if (b.pre === layer && b.post > b.pre) this.back(",
           "tests/view -k rewired"),
    Mutant("pruning: the largest weights go first", "topology/pruning.py",
           "goes[order[:count]] = True", "goes[order[len(order) - count:]] = True",
           "tests/running/test_pruning.py -k smallest"),
    Mutant("pruning: a resume brings connections back", "running/snapshot.py",
           "return topology, network if topology == self.topology else network.wired(topology)",
           "return topology, network", "tests/running/test_pruning.py -k exact"),
    Mutant("audit: a derived rule is asked as if it were ours",
           "learning/equilibrium_propagation.py",
           """return dataclasses.replace(
            self,
            nudging=Centered(beta),""", """return EquilibriumPropagation(
            nudging=Centered(beta),""", "tests/learning/test_audit.py -k derived"),
    Mutant("wires lose as much everywhere", "devices/analog.py",
           "return 1 - self.effects.wires * _distance(shape)",
           "return 1 - self.effects.wires * jnp.ones(shape)", ANALOG),
    Mutant("the adjoint settles with couplings the wrong way round",
           "learning/recurrent_backpropagation.py", "return back(adjoint)[0] - adjoint",
           "return jax.jvp(lambda s: drawn(self.clamped, s), (self.equilibrium,), (adjoint,))[1]"
           " - adjoint", "tests/learning/test_rules.py -k weakened"),
    Mutant("every step has the noise of the first", "energy/noise.py",
           "jax.random.fold_in(self.key, jax.random.bits(key))", "self.key", f"{ANALOG} -k step"),
    Mutant("noise comes back stronger than what it is of", "energy/noise.py",
           "strength=feedback.strength**2", "strength=feedback.strength", f"{ANALOG} -k step"),
    Mutant("parts of a batch share their noise", "relaxation/driver.py",
           "key = None if key is None else jax.random.fold_in(key, termination.part)", "pass",
           f"{ANALOG} -k parts"),
    Mutant("the schedule of a longer run begins anew", "training/trainer.py",
           "return node._replace(count=jnp.full_like(node.count, updates))", "return node",
           f"{RUN} -k schedule_of"),
    Mutant("an example settles by whatever tolerance its phase has", "training/logs.py",
           "settled &= found.residual <= SETTLED", "settled &= found.settled",
           f"{TRAINING} -k whatever"),
    Mutant("a converter goes on beyond its ends", "devices/analog.py",
           "jnp.round(jnp.clip(read, 0, 1) / step)", "jnp.round(read / step)",
           f"{ANALOG} -k converter"),
    Mutant("the audit's step limit forgets weakened feedback", "learning/auditing/oracle.py",
           "share = np.sqrt(feedback.on_the_way(pre, post) * feedback.on_the_way(post, pre))",
           "share = 1.0", "tests/learning/test_audit.py -k weakened"),
    Mutant("errors of kept states are told as cold ones", "analysis/collect.py",
           'if entry.get("validation_start") != "kept":', "if True:",
           "tests/analysis/test_collect.py -k kept_states"),
    Mutant("what is read stands the other way round in an export", "exporting/arrays.py",
           "read[0][b, a], read[0][a, b]]", "read[0][a, b], read[0][b, a]]",
           f"{PROGRAMMING} -k exported"),
]  # fmt: skip


QUICK = "not slow and not longest"
"""The tests of the README's command."""


def fails(source: Path, tests: str, which: str) -> bool:
    marked = ["-m", which, *tests.split()]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", *marked]
    environment = os.environ | {"PYTHONPATH": str(source)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1, pytest.ExitCode.NO_TESTS_COLLECTED):
        print(done.stdout[-2000:], done.stderr[-2000:])
        raise SystemExit("the tests themselves could not run")
    return done.returncode == 1


def main() -> int:
    wanted = [m for m in MUTANTS if all(word in m.name for word in sys.argv[1:])]
    survivors, slowly = [], 0
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "src"
        for number, mutant in enumerate(wanted, 1):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(ROOT / "src", copy)
            path = copy / "eqprop" / mutant.file
            text = path.read_text("utf-8")
            if text.count(mutant.old) != 1:
                raise SystemExit(f"{mutant.name}: its text stands {text.count(mutant.old)} times")
            path.write_text(text.replace(mutant.old, mutant.new), "utf-8")
            began = time.monotonic()
            if fails(copy, mutant.test, QUICK):
                verdict = "killed"
            elif fails(copy, mutant.test, "slow"):  # which `.ci/run` runs beside them
                verdict, slowly = "slowly", slowly + 1
            else:
                verdict = "SURVIVED"
                survivors.append(mutant.name)
            seconds = time.monotonic() - began
            print(f"{number:2d} {verdict:8s} {seconds:5.1f} s  {mutant.name}", flush=True)
    killed = len(wanted) - len(survivors)
    print(f"{killed} of {len(wanted)} killed, {slowly} of them by slow tests alone")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
