"""Where the cells of a sweep run. Never imports JAX."""

from __future__ import annotations

import dataclasses

from eqprop.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Where:
    """Where cells run: in this process, unless one of the first two is given.

    **Attributes:** `count` of local worker processes; `scheduler`, address of a Dask cluster's;
    `together`, how many cells this process trains in one program.
    """

    count: int | None = None
    scheduler: str | None = None
    together: int | None = None

    def check(self) -> None:
        """Refuses, by `ConfigError`, what does not go together."""
        for name, count in {"workers": self.count, "together": self.together}.items():
            if count is not None and count < 1:
                raise ConfigError(f"`{name}` must be 1 or more, got {count}.")
        if self.count is not None and self.scheduler is not None:
            raise ConfigError(
                "`workers` and `scheduler` exclude each other: a cluster has its own workers. "
                "Give one of them."
            )
        if self.together is not None and not self.is_here:
            raise ConfigError(
                "`together` trains in this process, got workers too. Leave out one of them."
            )

    @property
    def is_here(self) -> bool:
        """Whether this process trains."""
        return self.count is None and self.scheduler is None
