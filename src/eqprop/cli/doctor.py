"""`eqprop doctor`: what is installed, and what to do where something is amiss."""

from __future__ import annotations

from eqprop.cli.app import DataDir, app
from eqprop.errors import ConfigError


@app.command(name="doctor")
def command(*, data_dir: DataDir = None) -> None:
    """Say what this installation is made of: versions, devices, caches, data, arithmetic."""
    from eqprop.running.doctor import findings

    wrong = []
    for found in findings(data_dir):
        print(f"{found.what + ':':22} {found.found}")
        if found.advice:
            print(f"{'':22} -> {found.advice}")
        if found.is_wrong:
            wrong.append(found.what)
    if wrong:
        raise ConfigError(
            f"this installation must be right before it trains, got {', '.join(wrong)} wrong. "
            "Follow the advice above."
        )
    print("Ready.")
