"""The fast path: drives rows, converts columns and computes on the codes, for MVM and INFER."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec.arithmetic import OUTPUT_MAX, correct, requantise
from ohmloom.spec.network import StepFlag
from ohmloom_emulator.controller.memories import Memories, Network
from ohmloom_emulator.fabric import Fabric, Integers


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

    def multiply(self, tile: int, tia_range: int, codes: Integers) -> Integers:
        """Raw column codes (n, columns) of row codes (n, rows) on the whole tile."""
        fabric = self._fabric
        fabric.select(tile, 0, fabric.spec.rows, tia_range)
        together = len(codes) * fabric.drive_ns(fabric.spec.columns) < fabric.quiet_ns(tile)
        batches = [codes] if together else [codes[index : index + 1] for index in range(len(codes))]
        return np.concatenate([self._convert(batch, self._all_columns) for batch in batches])

    def infer(self, network: Network, codes: Integers) -> Integers:
        """Outputs (n, outputs) of input codes (n, inputs)."""
        if self._is_quiet(network, len(codes)):
            groups = [[Lane(codes)]]
        else:
            # An epoch comes up: walk vector by vector, in the interleaved order of the hardware.
            groups = [
                [Lane(codes[index : index + 1]) for index in range(pair, min(pair + 2, len(codes)))] for pair in range(0, len(codes), 2)
            ]
        for lanes in groups:
            for step in network.steps:
                for lane in lanes:
                    self._step(step, lane)
        return np.concatenate([lane.codes for lanes in groups for lane in lanes])

    def _step(self, step: Any, lane: Lane) -> None:
        flags = int(step["flags"])
        row, rows, pair, pairs = (int(step[key]) for key in ("row", "rows", "pair", "pairs"))
        tile, tia_range, output, outputs = (int(step[key]) for key in ("tile", "range", "output", "outputs"))
        if flags & StepFlag.FIRST:
            lane.sums = np.zeros((len(lane.codes), int(step["width"])), dtype=np.int64)
        columns = np.arange(2 * pair, 2 * (pair + pairs))
        self._fabric.select(tile, row, rows, tia_range)
        inputs = int(step["input"]) + np.arange(rows) % int(step["inputs"])
        raw = self._convert(lane.codes[:, inputs], columns)
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
        raw, saturated = self._fabric.sample(columns)
        self.saturated += saturated
        self.drives += len(codes)
        return raw

    def _is_quiet(self, network: Network, count: int) -> bool:
        """Whether no epoch of any tile falls into `count` vectors."""
        fabric = self._fabric
        duration_ns = count * len(network.steps) * fabric.drive_ns(fabric.spec.columns)
        return all(fabric.quiet_ns(int(tile)) > duration_ns for tile in np.unique(network.steps["tile"]))
