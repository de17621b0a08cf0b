"""What a cell with given parameters makes of pulses: means, sensitivities, and a filter that follows each device.

A device is one state (its conductance) that is read with noise and moved with noise. The filter is the extended Kalman
filter of that: it weighs each read against the prediction from the reads before it. So neither a noisy read nor a noisy
pulse is taken at face value, and the residuals that a fit works on are independent from pulse to pulse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..devices import Devices
from ..devices.interface import ArrayCell, FloatArray
from .models import Family
from .trains import Pulses, Trains


@dataclass(frozen=True)
class Fitted:
    """A cell, what its devices differ in, and its noises."""

    family: Family
    cell: ArrayCell
    offsets: FloatArray  # (devices, spreads)
    cycle: float  # noise from pulse to pulse, in the unit of the family's cycle
    misfit: float  # what the model misses in each pulse, of the conductance

    def devices(self) -> Devices:
        """The devices of the trains that were fitted."""
        return moved_devices(self.family, self.cell, self.offsets, self.cycle)


def moved_devices(family: Family, cell: ArrayCell, offsets: FloatArray, cycle: float = 0.0) -> Devices:
    """Mean cells with offsets (devices, spreads) in the order of the family's spreads."""
    mean = family.mean_devices(cell, len(offsets))
    moved: dict[str, Any] = {"cycle_v": np.full(len(offsets), cycle)}
    for column, spread in enumerate(family.spreads):
        base = getattr(mean, spread.field)
        moved[spread.field] = base * np.exp(offsets[:, column]) if spread.log else base + offsets[:, column]
    return replace(mean, **moved)


def after(
    cell: ArrayCell, devices: Devices, pulses: Pulses, before: FloatArray, normals: float | FloatArray = 0.0
) -> FloatArray:
    """Conductances after each of `pulses`; devices: of each pulse."""
    result = np.empty(np.broadcast_shapes(before.shape, (len(pulses),)))
    open_gate = np.isnan(pulses.gate_v)
    for gate_v in (None, *np.unique(pulses.gate_v[~open_gate]).tolist()):
        rows = open_gate if gate_v is None else pulses.gate_v == gate_v
        if rows.any():
            noise = normals[..., rows] if isinstance(normals, np.ndarray) else normals
            result[..., rows] = cell.pulse(
                before[..., rows], pulses.volts[rows], pulses.width_s[rows], pulses.temperature_k[rows],
                device=devices[rows], normals=noise, gate_v=gate_v,
            )  # fmt: skip
    return result


# Three-point Gauss-Hermite rule for the noise of a pulse. The mean over it is smooth where a pulse ends at a limit, and
# its variance sees limits that one standard deviation does not reach.
NODES = np.array([0.0, np.sqrt(3.0), -np.sqrt(3.0)])
WEIGHTS = np.array([2 / 3, 1 / 6, 1 / 6])

_STEP = 1e-2  # of a derivative, in the parameters' unit of fitting: as wide as noise, which rounds off limits


@dataclass(frozen=True)
class Tracked:
    """The filter's view of each pulse: what was before it, how its result spreads around the prediction."""

    before: FloatArray
    before_variance: FloatArray
    gain: FloatArray  # d after / d before
    noise: FloatArray  # siemens that one standard deviation of the pulse's noise moves the result
    read_variance: FloatArray
    last: FloatArray  # (devices,): the state at the end of each train

    def variance(self, siemens: FloatArray, misfit: float, cycle_ratio: float = 1.0) -> FloatArray:
        """Of measured minus predicted."""
        moves = (self.noise * cycle_ratio) ** 2 + (misfit * siemens) ** 2
        return self.gain**2 * self.before_variance + moves + self.read_variance


def track(fitted: Fitted, trains: Trains) -> Tracked:
    """Runs the filter along all trains at once, pulse by pulse."""
    cell, pulses, devices = fitted.cell, trains.pulses, fitted.devices()
    before, before_variance, gain, noise = (np.empty(len(pulses)) for _ in range(4))
    read_variance = cell.read_noise_siemens(np.maximum(pulses.siemens, 1e-12)) ** 2 / pulses.reads
    state = np.maximum(trains.first_siemens, 1e-12)
    variance = cell.read_noise_siemens(state) ** 2 / trains.first_reads
    order = np.argsort(pulses.position, kind="stable")
    ends = np.cumsum(np.bincount(pulses.position))
    for rows in np.split(order, ends[:-1]):
        who, these = pulses.device[rows], pulses[rows]
        here = state[who]
        step = np.maximum(1e-3 * here, 1e-3 * np.sqrt(variance[who]))
        # One call: with the pulse's noise at the nodes, and beside the state.
        states = np.stack([here, here, here, here + step])
        normals = np.broadcast_to(np.array([*NODES, 0.0])[:, None], states.shape)
        *nodes, beside = after(cell, devices[who], these, states, normals)
        mean = WEIGHTS @ np.array(nodes)
        before[rows], before_variance[rows] = here, variance[who]
        gain[rows], noise[rows] = (beside - nodes[0]) / step, np.sqrt(WEIGHTS @ (np.array(nodes) - mean) ** 2)
        predicted = gain[rows] ** 2 * variance[who] + noise[rows] ** 2 + (fitted.misfit * mean) ** 2
        share = predicted / (predicted + read_variance[rows] + 1e-30)
        state[who] = np.maximum(mean + share * (these.siemens - mean), 0.01 * these.siemens)
        variance[who] = (1 - share) * predicted
    return Tracked(before, before_variance, gain, noise, read_variance, state)


class Problem:
    """Mean predictions of all pulses from fixed states before them, and their derivatives.

    cycle: noise from pulse to pulse, in the unit of the family's.
    """

    def __init__(
        self, family: Family, names: tuple[str, ...], pulses: Pulses, before: FloatArray, cycle: float
    ) -> None:
        self.family, self.pulses, self.before, self.names, self.cycle = family, pulses, before, names, cycle
        self.parameters = {p.name: p for p in family.parameters}

    def values(self, theta: FloatArray) -> dict[str, float]:
        return {
            name: self.parameters[name].from_fit(float(x), self.family.get(name))
            for name, x in zip(self.names, theta, strict=True)
        }

    def theta(self, values: Mapping[str, float]) -> FloatArray:
        return np.array([self.parameters[name].to_fit(values[name]) for name in self.names])

    def cell(self, theta: FloatArray) -> ArrayCell:
        """Raises ValueError for parameters that the model does not allow."""
        cell: ArrayCell = self.family.with_values(self.values(theta))
        return cell

    def predict(self, theta: FloatArray, offsets: FloatArray) -> FloatArray:
        """Conductances after the pulses; NaN where the model does not allow the parameters."""
        try:
            cell = self.cell(theta)
            devices = moved_devices(self.family, cell, offsets, self.cycle)[self.pulses.device]
            with np.errstate(all="ignore"):  # far from the data anything may overflow: it is judged by its distance
                if not self.cycle:
                    return after(cell, devices, self.pulses, self.before)
                normals = np.broadcast_to(NODES[:, None], (len(NODES), len(self.pulses)))
                return np.asarray(WEIGHTS @ after(cell, devices, self.pulses, self.before + 0.0 * normals, normals))
        except ValueError:
            return np.full(len(self.pulses), np.nan)

    def by_parameters(self, theta: FloatArray, offsets: FloatArray) -> FloatArray:
        """(pulses, parameters)."""
        steps = _STEP * np.eye(len(theta))
        return _slopes(
            [(self.predict(theta + s, offsets), self.predict(theta - s, offsets)) for s in steps], self.pulses
        )

    def by_offsets(self, theta: FloatArray, offsets: FloatArray) -> FloatArray:
        """(pulses, spreads): each device's offset moves only its own pulses, so one evaluation serves all devices."""
        steps = _STEP * np.eye(offsets.shape[1])
        return _slopes(
            [(self.predict(theta, offsets + s), self.predict(theta, offsets - s)) for s in steps], self.pulses
        )


def _slopes(both_sides: list[tuple[FloatArray, FloatArray]], pulses: Pulses) -> FloatArray:
    """Central differences: at a limit, one side alone would take parameters that stand for each other as different."""
    columns = [(high - low) / (2 * _STEP) for high, low in both_sides]
    return np.nan_to_num(np.stack(columns, axis=1)) if columns else np.empty((len(pulses), 0))
