"""Devices that were measured, as others have fitted them.

The numbers are those of `simulator/presets/devices.py` in IBM's aihwkit 1.1
(github.com/IBM/aihwkit), in weights of about +-1. What aihwkit models and we do not: spread of
slopes and of lifetimes from device to device. Slopes of `ecram`, `ecram-mo` and `capacitor` follow
the mean range there, each device's own here. Write noise is given there in steps, here in weights.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from eqprop.devices.settings import (
    ExponentialSettings,
    LinearSettings,
    Number,
    PulsedSettings,
    SpreadKind,
)
from eqprop.registry import Above0, Rate

_Balance = Annotated[float, Field(gt=-1, lt=1)]
_Share = Annotated[float, Field(ge=0, le=1)]


def _of(kind: type[PulsedSettings], name: str, value: float | bool | str) -> Any:
    """Another default for a setting."""
    return Field(default=value, description=kind.model_fields[name].description)


class ReRamEsSettings(ExponentialSettings, name="reram-es"):
    """Resistive memory, exponential steps: `ReRamES`, Gong et al., Nat. Commun. (2018)."""

    # Steps there are 1 up and 1 - .259359 down, in units of .00135.
    step: Above0 = _of(ExponentialSettings, "step", 0.00135 * (1 - 0.259359 / 2))
    up_down: _Balance = _of(ExponentialSettings, "up_down", 0.259359 / (2 - 0.259359))
    a_up: Number = _of(ExponentialSettings, "a_up", -1.18445)
    a_down: Number = _of(ExponentialSettings, "a_down", -0.081404)
    gamma_up: Number = _of(ExponentialSettings, "gamma_up", 5.0)
    gamma_down: Number = _of(ExponentialSettings, "gamma_down", 5.0)
    scale: Number = _of(ExponentialSettings, "scale", -0.5)
    shift: Number = _of(ExponentialSettings, "shift", -0.5)
    spread: Rate = _of(ExponentialSettings, "spread", 0.2)
    up_down_spread: Rate = _of(ExponentialSettings, "up_down_spread", 0.05)
    range_spread: Rate = _of(ExponentialSettings, "range_spread", 0.3)
    cycle: Rate = _of(ExponentialSettings, "cycle", 5.0)
    write_noise: Rate = _of(ExponentialSettings, "write_noise", 75 * 0.00135)


class ReRamSbSettings(LinearSettings, name="reram-sb"):
    """Resistive memory, soft bounds: `ReRamSB`, a loose fit to the same measurements."""

    low: Number = _of(LinearSettings, "low", -0.75)
    high: Above0 = _of(LinearSettings, "high", 1.25)
    step: Above0 = _of(LinearSettings, "step", 0.002)
    slope_up: Rate = _of(LinearSettings, "slope_up", 1.0)
    slope_down: Rate = _of(LinearSettings, "slope_down", 1.0)
    spread: Rate = _of(LinearSettings, "spread", 0.3)
    up_down_spread: Rate = _of(LinearSettings, "up_down_spread", 0.01)
    # .24 above and .4 below
    range_spread: Rate = _of(LinearSettings, "range_spread", 0.3)
    cycle: Rate = _of(LinearSettings, "cycle", 3.75)
    write_noise: Rate = _of(LinearSettings, "write_noise", 56 * 0.002)


class EcRamSettings(LinearSettings, name="ecram"):
    """Electrochemical memory with lithium: `EcRam`, Tang et al., IEDM (2018)."""

    low: Number = _of(LinearSettings, "low", -0.8276)
    high: Above0 = _of(LinearSettings, "high", 1.1724)
    step: Above0 = _of(LinearSettings, "step", 0.002)
    slope_up: Rate = _of(LinearSettings, "slope_up", 0.1153)
    slope_down: Rate = _of(LinearSettings, "slope_down", 0.5085)
    spread: Rate = _of(LinearSettings, "spread", 0.1)
    up_down_spread: Rate = _of(LinearSettings, "up_down_spread", 0.01)
    range_spread: Rate = _of(LinearSettings, "range_spread", 0.05)
    cycle: Rate = _of(LinearSettings, "cycle", 0.3)
    noise_grows: bool = _of(LinearSettings, "noise_grows", True)


class EcRamMoSettings(LinearSettings, name="ecram-mo"):
    """Electrochemical memory with metal oxide: `EcRamMO`, Kim et al., IEDM (2019)."""

    low: Number = _of(LinearSettings, "low", -0.8286)
    high: Above0 = _of(LinearSettings, "high", 1.1714)
    step: Above0 = _of(LinearSettings, "step", 2.8214e-4)
    slope_up: Rate = _of(LinearSettings, "slope_up", 0.4152)
    slope_down: Rate = _of(LinearSettings, "slope_down", 0.7342)
    spread: Rate = _of(LinearSettings, "spread", 0.1)
    up_down_spread: Rate = _of(LinearSettings, "up_down_spread", 0.01)
    range_spread: Rate = _of(LinearSettings, "range_spread", 0.05)
    cycle: Rate = _of(LinearSettings, "cycle", 2.0)
    noise_grows: bool = _of(LinearSettings, "noise_grows", True)


class CapacitorSettings(LinearSettings, name="capacitor"):
    """A capacitor that leaks: `Capacitor`, Li et al., VLSI (2018); lifetime 1e6 updates."""

    step: Above0 = _of(LinearSettings, "step", 0.005)
    slope_up: Rate = _of(LinearSettings, "slope_up", 0.05)
    slope_down: Rate = _of(LinearSettings, "slope_down", 0.05)
    spread: Rate = _of(LinearSettings, "spread", 0.1)
    up_down_spread: Rate = _of(LinearSettings, "up_down_spread", 0.06)
    range_spread: Rate = _of(LinearSettings, "range_spread", 0.07)
    cycle: Rate = _of(LinearSettings, "cycle", 0.3)
    leak: _Share = _of(LinearSettings, "leak", 1e-6)


class GokmenVlasovSettings(LinearSettings, name="gokmen-vlasov"):
    """The specification of Gokmen and Vlasov, Front. Neurosci. 10:333 (2016): 1,200 states."""

    step: Above0 = _of(LinearSettings, "step", 0.0016)
    spread: Rate = _of(LinearSettings, "spread", 0.3)
    up_down_spread: Rate = _of(LinearSettings, "up_down_spread", 0.01)
    range_spread: Rate = _of(LinearSettings, "range_spread", 0.3)
    cycle: Rate = _of(LinearSettings, "cycle", 0.3)


class ReRamOmSettings(LinearSettings, name="reram-om"):
    """An array of resistive memory, optimised material: `ReRamArrayOM`, Gong et al., IEDM (2022).

    13.5 % of the devices of that array were corrupt, which `stuck_low` and `stuck_high` can say.
    The reference of a device is 5 % off there.
    """

    step: Above0 = _of(LinearSettings, "step", 0.0949)
    slope_up: Rate = _of(LinearSettings, "slope_up", 1.0)
    slope_down: Rate = _of(LinearSettings, "slope_down", 1.0)
    spread: Rate = _of(LinearSettings, "spread", 0.7829)
    up_down_spread: Rate = _of(LinearSettings, "up_down_spread", 0.01)
    spread_kind: SpreadKind = _of(LinearSettings, "spread_kind", "log-normal")
    # .3499 above and .5695 below
    range_spread: Rate = _of(LinearSettings, "range_spread", 0.46)
    cycle: Rate = _of(LinearSettings, "cycle", 0.4158)
    write_noise: Rate = _of(LinearSettings, "write_noise", 1.4113 * 0.0949)


class ReRamHfO2Settings(LinearSettings, name="reram-hfo2"):
    """The same array of hafnium oxide, baseline: `ReRamArrayHfO2`; 10 % were corrupt."""

    step: Above0 = _of(LinearSettings, "step", 0.4622)
    slope_up: Rate = _of(LinearSettings, "slope_up", 1.0)
    slope_down: Rate = _of(LinearSettings, "slope_down", 1.0)
    spread: Rate = _of(LinearSettings, "spread", 0.7125)
    up_down_spread: Rate = _of(LinearSettings, "up_down_spread", 0.01)
    spread_kind: SpreadKind = _of(LinearSettings, "spread_kind", "log-normal")
    # .4295 above and .5990 below
    range_spread: Rate = _of(LinearSettings, "range_spread", 0.51)
    cycle: Rate = _of(LinearSettings, "cycle", 0.2174)
    write_noise: Rate = _of(LinearSettings, "write_noise", 0.5841 * 0.4622)


class PcmSettings(ExponentialSettings, name="pcm"):
    """Phase-change memory, in pairs: `PCM`, Nandakumar et al., Front. Neurosci. 14:406 (2020).

    A device only grows, from 0 to 2 there and to `high` here, and is never refreshed here. Its
    drift in time is no part of the fit: see `drift`.
    """

    pair: bool = _of(ExponentialSettings, "pair", True)
    step: Above0 = _of(ExponentialSettings, "step", 0.005)
    a_up: Number = _of(ExponentialSettings, "a_up", -27.235)
    a_down: Number = _of(ExponentialSettings, "a_down", -2.235)
    gamma_up: Number = _of(ExponentialSettings, "gamma_up", 2.5)
    gamma_down: Number = _of(ExponentialSettings, "gamma_down", 2.5)
    scale: Number = _of(ExponentialSettings, "scale", -1.0)
    spread: Rate = _of(ExponentialSettings, "spread", 0.2)
    range_spread: Rate = _of(ExponentialSettings, "range_spread", 0.1)
    cycle: Rate = _of(ExponentialSettings, "cycle", 0.6)
    noise_floor: Rate = _of(ExponentialSettings, "noise_floor", 0.042 / 2)
    noise_slope: Rate = _of(ExponentialSettings, "noise_slope", 0.108)
