"""Is a network really learning by gradient? A rule's correction beside the exact gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eqprop.lazy import attach

if TYPE_CHECKING:
    from eqprop.learning.auditing.agreement import *  # noqa: F403
    from eqprop.learning.auditing.auditor import *  # noqa: F403
    from eqprop.learning.auditing.findings import *  # noqa: F403
    from eqprop.learning.auditing.oracle import *  # noqa: F403

__getattr__, __dir__, __all__ = attach(  # pyright: ignore[reportUnsupportedDunderAll]
    __name__,
    {
        "agreement": ("Agreement",),
        "auditor": (
            "as_held",
            "audit",
            "nudge_of",
            "response",
        ),
        "findings": (
            "Audit",
            "Settling",
            "plain",
        ),
        "oracle": ("Oracle",),
    },
)
