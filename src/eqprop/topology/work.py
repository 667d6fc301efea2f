"""What a rule costs, counted in multiply-adds of an ideal machine that skips what is not wired."""

from __future__ import annotations

import dataclasses

from eqprop.topology.topology import Topology


@dataclasses.dataclass(frozen=True)
class Wires:
    """The connections of a network, each counted once.

    **Attributes:** `from_input`, those that start at an input unit; `free`, those between free
    units; `units`, number of free units.
    """

    from_input: int
    free: int
    units: int

    @staticmethod
    def of(topology: Topology) -> Wires:
        """Counts the connections that exist."""
        counts = {block: int(mask.sum()) for block, mask in topology.masks.items()}
        from_input = sum(count for (_, pre), count in counts.items() if pre == 0)
        units = sum(topology.layer_sizes[1:])
        return Wires(from_input, sum(counts.values()) - from_input, units)

    @property
    def total(self) -> int:
        """All connections."""
        return self.from_input + self.free


@dataclasses.dataclass(frozen=True)
class Work:
    """Multiply-adds per example.

    **Attributes:**

    - `first`: of the free phase or forward pass.
    - `second`: of everything between it and the correction: nudged, clamped or adjoint phase,
      backward pass.
    - `correction`: of the correction of all weights.
    """

    first: float
    second: float
    correction: float

    @property
    def total(self) -> float:
        """Of a whole update, per example."""
        # A float also of whole numbers: times a count of NumPy's these would overflow.
        return float(self.first + self.second + self.correction)


def relaxation(wires: Wires, steps: float) -> float:
    """Steps of a relaxation: along a connection between free units a message goes each way."""
    return 2 * wires.free * steps


def two_phases(wires: Wires, free_steps: float, other_steps: float) -> Work:
    """Two relaxations and the difference of two products per connection.

    The input drive is computed once; it stays the same in both phases.
    """
    return Work(
        wires.from_input + relaxation(wires, free_steps),
        relaxation(wires, other_steps),
        2 * wires.total,
    )
