"""The fast path: drives rows, converts columns and computes on the codes, for MVM and INFER."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.arithmetic import OUTPUT_MAX, correct, requantise
from ohmloom.spec.network import StepFlag
from ohmloom_emulator.controller.memories import Memories, Network
from ohmloom_emulator.fabric import Fabric, Integers, Stage


class Lane:
    """One vector, or several that the fabric takes as one batch, on its way through the network's steps."""

    def __init__(self, codes: Integers) -> None:
        self.codes = codes  # (n, inputs of the current layer)
        self.sums = np.zeros((len(codes), 0), dtype=np.int64)  # (n, outputs of the current layer), Q4


class Sequencer:
    """Runs vectors of row codes over the fabric. `saturated` counts samples at a converter's end since it was last cleared."""

    def __init__(self, fabric: Fabric, memories: Memories) -> None:
        self._fabric, self._memories = fabric, memories
        self._all_columns = np.arange(fabric.spec.columns)
        self.saturated = 0
        self.drives = 0

    def multiply(self, tile: int, tia_range: int, codes: Integers, route: Sequence[Stage] = ()) -> Integers:
        """Raw column codes (n, columns) of row codes (n, rows) on a whole tile, or of the last tile of a route."""
        fabric = self._fabric
        if route:
            fabric.route(route)
        else:
            fabric.select(tile, 0, fabric.spec.rows, tia_range)
        tiles = [stage.tile for stage in route] or [tile]
        together = self._is_quiet(tiles, len(codes) * fabric.drive_ns(fabric.spec.columns, len(tiles)))
        batches = [codes] if together else [codes[index : index + 1] for index in range(len(codes))]
        return np.concatenate([self._convert(batch, self._all_columns) for batch in batches])

    def infer(self, network: Network, codes: Integers) -> Integers:
        """Outputs (n, outputs) of input codes (n, inputs)."""
        tiles = [int(tile) for tile in np.unique(network.steps["tile"])]
        longest_ns = len(network.steps) * self._fabric.drive_ns(self._fabric.spec.columns)
        if self._is_quiet(tiles, len(codes) * longest_ns) and not self._runs_meet(network):
            groups = [[Lane(codes)]]
        else:
            # An epoch comes up, or two drives count the same samples: walk vector by vector, in the interleaved order of the hardware.
            groups = [
                [Lane(codes[index : index + 1]) for index in range(pair, min(pair + 2, len(codes)))]
                for pair in range(0, len(codes), 2)
            ]
        for lanes in groups:
            for run in network.runs:
                for lane in lanes:
                    self._step(run, lane)
        return np.concatenate([lane.codes for lanes in groups for lane in lanes])

    def _step(self, run: NDArray[Any], lane: Lane) -> None:
        """One drive: a digital step, or analog ones and the step that converts behind them."""
        step = run[-1]
        flags = int(step["flags"])
        pair, pairs = int(step["pair"]), int(step["pairs"])
        tile, tia_range, output, outputs = (int(step[key]) for key in ("tile", "range", "output", "outputs"))
        if flags & StepFlag.FIRST:
            lane.sums = np.zeros((len(lane.codes), int(step["width"])), dtype=np.int64)
        columns = np.arange(2 * pair, 2 * (pair + pairs))
        raw = self._convert(self._drive_codes(run, lane.codes), columns)
        correction = self._memories.correction[tile, tia_range, columns]
        corrected = correct(raw, correction["offset"], correction["gain"])
        differences = corrected[:, 0::2] - corrected[:, 1::2]
        for first in range(0, pairs, outputs):  # repeated pairs add up
            part = differences[:, first : first + outputs]
            lane.sums[:, output : output + part.shape[1]] += part
        if flags & StepFlag.LAST:
            bias = int(step["bias"])
            sums = lane.sums + self._memories.bias[bias : bias + int(step["width"])]
            if flags & StepFlag.RELU:
                sums = np.maximum(sums, 0)
            limit = OUTPUT_MAX if flags & StepFlag.OUTPUT else self._fabric.spec.read_clamp
            lane.codes = requantise(sums, int(step["scale"]), int(step["shift"]), limit)

    def _convert(self, codes: Integers, columns: NDArray[Any]) -> Integers:
        self._fabric.drive(codes)
        slots = slots_of(self._fabric.spec, columns)  # all ADCs convert together
        raw, saturated = self._fabric.sample(slots)
        wanted = slice(columns[0] - slots[0], columns[-1] - slots[0] + 1)
        self.saturated += int(saturated[:, wanted].sum())
        self.drives += len(codes)
        return raw[:, wanted]

    def _drive_codes(self, run: NDArray[Any], codes: Integers) -> Integers:
        """Selects what a run drives; returns the row codes (n, selected rows) of its inputs (n, inputs of the layer)."""
        first = run[0]
        row, rows = int(first["row"]), int(first["rows"])
        driven = codes[:, int(first["input"]) + np.arange(rows) % int(first["inputs"])]
        if len(run) == 1:
            self._fabric.select(int(first["tile"]), row, rows, int(first["range"]))
            return driven
        self._fabric.route([stage_of(step) for step in run])
        whole = np.zeros((len(codes), self._fabric.spec.rows), dtype=np.int64)
        whole[:, row : row + rows] = driven
        for step in run:
            if int(step["flags"]) & StepFlag.LEVEL:
                whole[:, -1] = step["level"]
        return whole

    def _runs_meet(self, network: Network) -> bool:
        """Whether two drives convert a common slot of columns with the same first word line: see decision 2."""
        seen: set[tuple[int, int, int]] = set()
        for run in network.runs:
            last, window = run[-1], int(run[0]["row"]) if len(run) == 1 else 0
            first_column = 2 * int(last["pair"])
            columns = np.arange(first_column, first_column + 2 * int(last["pairs"]))
            mine = {(int(last["tile"]), window, int(column)) for column in slots_of(self._fabric.spec, columns)}
            if mine & seen:
                return True
            seen |= mine
        return False

    def _is_quiet(self, tiles: Sequence[int], duration_ns: int) -> bool:
        """Whether no epoch of these tiles comes within the time."""
        return all(self._fabric.quiet_ns(tile) > duration_ns for tile in tiles)


def slots_of(spec: ChipSpec, columns: NDArray[Any]) -> NDArray[Any]:
    """All columns of the conversions that contiguous `columns` take part in."""
    adcs = spec.afe.column_adcs
    return np.arange(columns[0] // adcs * adcs, min((columns[-1] // adcs + 1) * adcs, spec.columns))


def stage_of(step: Any) -> Stage:
    """The route's stage that a network step stands for."""
    flags = int(step["flags"])
    analog = bool(flags & StepFlag.ANALOG)
    return Stage(
        int(step["tile"]),
        int(step["range"]),
        int(step["shift"]) if analog else 0,
        analog and bool(flags & StepFlag.RELU),
        bool(flags & StepFlag.LEVEL),
    )
