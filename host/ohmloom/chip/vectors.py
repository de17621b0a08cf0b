"""Vectors through a chip: raw products of a tile, and the network that is on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.chip.cells import Cells
from ohmloom.chip.connection import Progress, no_progress
from ohmloom.compiler import FaultMap, Network, compensated
from ohmloom.compiler.network import Interface
from ohmloom.errors import ArgumentError, Error
from ohmloom.link import Session
from ohmloom.program_report import ProgramReport
from ohmloom.spec import ChipSpec, Policy, registers
from ohmloom.spec.arithmetic import FRACTION_BITS, correct
from ohmloom.spec.commands import INFER, MVM, Command, Memory

Floats = NDArray[np.float64]

NOTES_DTYPE = np.dtype("<u4")


class Vectors(Cells):
    """Products and networks."""

    def __init__(self, session: Session, spec: ChipSpec | str | Path | None = None) -> None:
        super().__init__(session, spec)
        self._interface: Interface | None = None

    def mvm(self, tile: int, codes: ArrayLike, *, tia_range: int = 0) -> NDArray[np.int16]:
        """Raw column codes of row codes: (rows,) gives (columns,), a batch (n, rows) gives (n, columns).

        A row code is a signed number of row DAC steps around Vmid; 0 is no voltage. A column code is a signed ADC code, not corrected for
        the column's offset and gain.
        """
        self._tile(tile)
        spec = self.spec
        self._index("tia_range", tia_range, len(spec.afe.tia_ohm))
        given = np.asarray(codes)
        if given.ndim not in (1, 2) or given.shape[-1] != spec.rows:
            raise ArgumentError(f"codes: shape ({spec.rows},) or (n, {spec.rows}) wanted, given {given.shape}")
        if given.dtype.kind not in "iu" and not (given.dtype.kind == "f" and (np.rint(given) == given).all()):
            raise ArgumentError(
                f"codes: integers wanted, given {given.dtype}{' with NaN' if given.dtype.kind == 'f' and np.isnan(given).any() else ''}"
            )
        if ((given > spec.read_clamp) | (given < -spec.read_clamp)).any():
            raise ArgumentError(f"codes: values within +-{spec.read_clamp} wanted, given {given.min()}..{given.max()}")
        batch = np.atleast_2d(given).astype(np.int64)
        answers = self._batches(MVM, batch, spec.columns * 12, tile=tile, range=tia_range)
        pieces = [answer["codes"].reshape(-1, spec.columns) for answer in answers]
        result = np.concatenate([np.empty((0, spec.columns), np.int16), *pieces])
        return result[0] if given.ndim == 1 else result

    def currents(self, tile: int, volts: ArrayLike, *, tia_range: int = 0) -> Floats:
        """Column currents (A) of row voltages (V) either side of Vmid: (rows,) gives (columns,), a batch (n, rows) gives (n, columns).

        Voltages are rounded to steps of the row DAC; currents are whole ADC codes corrected for the column's offset and gain, and end
        where the converter does. A tile that never was is calibrated first. Raises ArgumentError for a wrong shape and for voltages
        beyond the read limit.
        """
        spec, given = self.spec, np.asarray(volts, dtype=np.float64)
        tia_range = self._index("tia_range", tia_range, len(spec.afe.tia_ohm))
        if given.ndim not in (1, 2) or given.shape[-1] != spec.rows:
            raise ArgumentError(f"volts: shape ({spec.rows},) or (n, {spec.rows}) wanted, given {given.shape}")
        if not (np.abs(given) <= spec.limits.read_v).all():
            raise ArgumentError(f"volts: finite values within +-{spec.limits.read_v} V wanted, given {volts!r}")
        correction = self._calibrate_once(self._tile(tile))[tia_range]
        codes = self.mvm(tile, np.clip(np.rint(given / spec.row_dac.lsb_v), -spec.read_clamp, spec.read_clamp), tia_range=tia_range)
        return correct(codes, correction["offset"], correction["gain"]) * spec.amperes_per_code(tia_range) / (1 << FRACTION_BITS)

    def infer(self, X: ArrayLike, *, progress: Progress = no_progress) -> Floats:
        """Outputs (samples, outputs) of the network on the chip for inputs (samples, inputs), in the model's units.

        The network is the one that this or an earlier process has programmed. Raises ArgumentError for a wrong shape and for NaN, Error
        when no network is on the chip.
        """
        interface = self.interface
        codes = interface.codes(X)
        pieces = [np.empty((0, interface.outputs), np.int16)]
        done = 0
        for answer in self._batches(INFER, codes, interface.outputs * 16):
            pieces.append(answer["outputs"].reshape(-1, interface.outputs))
            done += len(pieces[-1])
            progress("inference", done, len(codes))
        return interface.real(np.concatenate(pieces))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Classes (samples,) or regression values for inputs (samples, inputs); errors as `infer`."""
        return self.interface.decide(self.infer(X))

    def program(
        self,
        network: Network,
        *,
        tolerance_siemens: float = 1e-6,
        policy: Policy | str | Path | None = None,
        repair: bool = True,
        journal: bool = False,
        progress: Progress = no_progress,
    ) -> ProgramReport:
        """Programs a compiled network: calibrates, forms and write-verifies the cells it uses, then loads its steps and biases.

        repair: where a cell has not reached its target, the other cells of its weight make up for the difference as far as they can.
        journal: the firmware keeps targets and progress in flash and tries cells again; after a power cut `resume`, then `load`.
        """
        self._check_network(network)
        if policy is not None:
            self.load_policy(policy)
        report = self._program_tiles(network.targets, tolerance_siemens, progress, journal=journal)
        if repair and report.failed.any():
            targets = compensated(network, FaultMap(report.failed, report.conductance), self.spec)
            # A cell that works is written again only where its target has moved.
            moved = report.converged & (np.abs(targets - network.targets) > tolerance_siemens)
            # A run's journal has all its targets, so that a resume or a refresh knows every cell, the bad ones too.
            kept = network.targets if journal and moved.any() else np.full(targets.shape, np.nan)
            again = np.where(moved, targets, kept)
            second = self._program_tiles(again, tolerance_siemens, progress, form=False, journal=journal)
            report = report.followed_by(second)
        self.load(network)
        return report

    def load(self, network: Network) -> None:
        """Loads a network's steps, biases and notes without touching a cell: for a chip that is programmed already."""
        self._check_network(network)
        notes = network.interface.to_json().encode()
        content = np.array(len(notes), NOTES_DTYPE).tobytes() + notes
        room = self.spec.controller.notes_bytes
        if len(content) > room:
            raise ArgumentError(
                f"the network's notes take {len(content)} bytes; the chip keeps {room}: shorten the class names"
            )
        self._write_memory(Memory.BIAS, network.biases.tobytes())
        self._write_memory(Memory.NOTES, content)
        self._write_memory(Memory.NETWORK, network.memory())
        self._interface = network.interface

    @property
    def interface(self) -> Interface:
        """How the network on the chip is used. Raises Error when there is none."""
        if self._interface is None:
            if not registers.STATUS_NETWORK_VALID.get(self._registers()["status"]):
                raise Error(f"no network is on this {self.spec.name}: call program() first")
            length = int(np.frombuffer(self._read_memory(Memory.NOTES, NOTES_DTYPE.itemsize), NOTES_DTYPE)[0])
            try:
                if length > self.spec.controller.notes_bytes - NOTES_DTYPE.itemsize:
                    raise ValueError("length")
                text = self._read_memory(Memory.NOTES, NOTES_DTYPE.itemsize + length)[NOTES_DTYPE.itemsize :]
                self._interface = Interface.from_json(text.decode())
            except ValueError as error:
                raise Error(
                    f"the chip's notes on its network cannot be read ({error}): load() the network again"
                ) from None
        return self._interface

    # Inside

    def _batches(
        self, command: Command, codes: NDArray[np.int64], answer_bits: int, **values: Any
    ) -> Iterator[dict[str, Any]]:
        """Answers to a batch of vectors, cut into frames that suit the line; vectors go in pairs, which the controller interleaves."""
        vector_bits = max(12 * codes.shape[1], answer_bits)

        def requests() -> Iterator[tuple[Command, dict[str, Any]]]:
            first = 0
            while first < len(codes):
                room = 8 * (self._session.payload_budget - command.answer.header_bytes - command.request.header_bytes)
                most = 8 * (self._session.payload_max - command.answer.header_bytes - command.request.header_bytes)
                count = max(room // vector_bits // 2 * 2, min(2, most // vector_bits), 1)
                yield (
                    command,
                    {
                        **values,
                        "count": len(codes[first : first + count]),
                        "codes": codes[first : first + count].ravel(),
                    },
                )
                first += count

        return self._session.stream(requests())

    def _check_network(self, network: Network) -> None:
        if (network.chip, network.digest) != (self.spec.name, self.spec.digest):
            raise ArgumentError(
                f"the network was compiled for {network.chip!r} (spec digest {network.digest:08x}), not for this {self.spec.name!r}"
            )
