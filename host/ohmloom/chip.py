"""A chip behind a link: the calls that a lab script makes, whatever the endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.compiler import FaultMap, Network, compensated
from ohmloom.compiler.network import Interface
from ohmloom.errors import ArgumentError, ChipError, Error, LinkError
from ohmloom.link import Session, open_port
from ohmloom.model import Task
from ohmloom.program_report import ProgramReport
from ohmloom.spec import ChipSpec, Policy, load_chip, load_policy, registers
from ohmloom.spec.arithmetic import CORRECTION_DTYPE, FRACTION_BITS, GAIN_ONE
from ohmloom.spec.commands import (
    ADVANCE,
    CALIBRATE,
    FORM,
    INFER,
    INFO,
    IV,
    MEM_READ,
    MEM_WRITE,
    MVM,
    PROGRAM,
    PULSE,
    PULSE_TRIPPED,
    READ,
    READ_REGISTERS,
    SELFTEST,
    SERVICE,
    WRITE_REGISTERS,
    Cause,
    CellStatus,
    Command,
    EventKind,
    Finding,
    Memory,
    Polarity,
)
from ohmloom.spec.policy import POLICY_DTYPE, VIRGIN_SIEMENS
from ohmloom.train.in_situ import train_in_situ
from ohmloom.train.in_the_loop import fine_tune

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]  # what, done, of how many

SPEC_SCHEMES = ("emu", "rtl")
NOTES_DTYPE = np.dtype("<u4")
# Averaged so that noise cannot take a formed cell for a virgin one.
VIRGIN_SAMPLES = 16
# The two parts of a cell's range that a working cell reaches, far enough apart that no stuck cell is in both.
FAULT_LEVELS, FAULT_TOLERANCE, FAULT_SAMPLES = (0.25, 0.75), 0.4, 16


def _no_progress(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def connect(url: str, *, spec: ChipSpec | str | Path | None = None, baud: int | None = None, **options: Any) -> Chip:
    """Opens an endpoint: `emu://CHIP`, `/dev/ttyUSB1`, `socket://host:port` or any other pyserial URL.

    options (seed, state, ber, stuck, ideal, effects) belong to emulated endpoints and may stand in the URL's query as well. spec: the chip's spec
    where it has another name than a bundled one. baud: line rate to change to; the controller's highest if not given.
    Raises LinkError when nothing or something else answers, ArgumentError for options that the endpoint does not take.
    """
    parts = urlsplit(url)
    if options:
        if parts.scheme not in SPEC_SCHEMES:
            raise ArgumentError(
                f"{url}: options {', '.join(sorted(options))} belong to {', '.join(f'{s}://' for s in SPEC_SCHEMES)} endpoints"
            )
        values = {key: _option(value) for key, value in options.items() if value is not None}
        if values:
            url += ("&" if parts.query else "?") + urlencode(values, quote_via=quote)
    named: ChipSpec | str | Path | None = spec
    if named is None and parts.scheme in SPEC_SCHEMES:
        named = unquote(parts.netloc + parts.path).rstrip("/")
    session = Session(open_port(url))
    try:
        session.hello()
        if baud is not None or session.baud_max > session.baud:
            session.set_rate(baud or session.baud_max)
        return Chip(session, named)
    except BaseException:
        session.close()
        raise


def _option(value: Any) -> Any:
    """As it stands in a URL's query."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(map(str, value))
    return int(value) if isinstance(value, bool) else value


class Chip:
    """A connected chip. A context manager; `close` ends the connection and saves an emulated chip's state.

    spec: its `ChipSpec`. Tiles, rows and columns count from 0; conductances are in siemens, codes are signed 12-bit integers.
    Every call raises LinkError when the line fails and ChipError when the controller refuses.
    """

    def __init__(self, session: Session, spec: ChipSpec | str | Path | None = None) -> None:
        self._session = session
        answer = session.request(INFO)
        name = answer["name"].tobytes().decode("utf-8", "replace")
        self.spec: ChipSpec = spec if isinstance(spec, ChipSpec) else load_chip(spec or name)
        if (self.spec.name, self.spec.digest) != (name, answer["digest"]):
            raise LinkError(
                f"the endpoint is a {name!r} with spec digest {answer['digest']:08x}, not {self.spec.name!r} with "
                f"{self.spec.digest:08x}: give its own spec"
            )
        self._version: int = answer["version"]
        self._interface: Interface | None = None

    def __enter__(self) -> Chip:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection. A second call does nothing."""
        self._session.close()

    # What it is

    def info(self) -> dict[str, Any]:
        """Names, sizes, limits, link and counters of the endpoint, for people and logs."""
        values = self._registers()
        return {
            "chip": self.spec.name,
            "tiles": self.spec.tiles,
            "rows": self.spec.rows,
            "columns": self.spec.columns,
            "controller_version": f"{self._version >> 16}.{self._version >> 8 & 255}.{self._version & 255}",
            "emulated": self._session.emulated,
            "baud": self._session.baud,
            "window": self._session.window,
            "payload_bytes": self._session.payload_max,
            "tripped": bool(registers.STATUS_TRIPPED.get(values["status"])),
            "network": bool(registers.STATUS_NETWORK_VALID.get(values["status"])),
            "registers": values,
            "link": vars(self._session.statistics),
        }

    @property
    def link_bytes(self) -> int:
        """Bytes sent and received since the connection was opened."""
        return self._session.statistics.bytes_sent + self._session.statistics.bytes_received

    @property
    def meters(self) -> dict[Cause, tuple[float, float]]:
        """(joules, seconds) by cause, since the fabric was made. Emulated fabrics only."""
        rows = self._session.request(ADVANCE, duration_ns=0)["meters"]
        return {cause: (1e-15 * int(rows[cause]["energy_fj"]), 1e-9 * int(rows[cause]["time_ns"])) for cause in Cause}

    @property
    def energy_j(self) -> float:
        """Energy that the fabric has used. Emulated fabrics only."""
        rows = self._session.request(ADVANCE, duration_ns=0)["meters"]
        return 1e-15 * int(rows["energy_fj"].sum())

    @property
    def fabric_time_s(self) -> float:
        """Time that has passed for the fabric. Emulated fabrics only."""
        return 1e-9 * int(self._session.request(ADVANCE, duration_ns=0)["time_ns"])

    def advance(self, seconds: float) -> None:
        """Lets fabric time pass, in which cells relax. Emulated fabrics only; for a real one, wait."""
        if not (np.isfinite(seconds) and 0 <= seconds < 1e9):
            raise ArgumentError(f"seconds: {seconds} is not within 0..1e9")
        self._session.request(ADVANCE, duration_ns=round(seconds * 1e9))

    def wait(self, seconds: float) -> None:
        """Lets time pass on any chip: `advance` where it is emulated, and by the clock where it is real."""
        if self._session.emulated:
            self.advance(seconds)
        else:
            sleep(seconds)

    def events(self, after: int = 0) -> list[tuple[int, EventKind, int]]:
        """(number, kind, argument) of the controller's events after the given number, oldest first."""
        events: list[tuple[int, EventKind, int]] = []
        while (rows := self._session.request(SERVICE, after=after)["events"]).size:  # as many as one frame holds
            events += [(int(row["number"]), EventKind(row["kind"]), int(row["argument"])) for row in rows]
            after = events[-1][0]
        return events

    # Cells

    def form(self, tile: int, mask: ArrayLike | None = None, *, progress: Progress = _no_progress) -> ProgramReport:
        """Forms the cells of a tile that are not formed yet: all, or those of `mask` (rows, columns).

        Forming needs the arm key for each row; this call gives it.
        """
        selected = self._cells(tile, "mask", True if mask is None else mask, bool)
        self._calibrate_once(tile)  # an offset may look like a formed cell
        self._calibrate_once(tile)
        rows = np.flatnonzero(selected.any(axis=1))

        def requests() -> Iterator[tuple[Command, dict[str, Any]]]:
            for row in rows:
                yield WRITE_REGISTERS, {"address": registers.ARM.address, "values": [registers.ARM.key]}
                yield FORM, {"tile": tile, "row": int(row), "mask": selected[row]}

        answers = (answer for answer in self._session.stream(requests()) if answer)
        return self._report(selected, rows, answers, "forming", progress)

    def program_conductance(
        self,
        tile: int,
        target_siemens: ArrayLike,
        tolerance_siemens: float = 1e-6,
        *,
        policy: Policy | str | None = None,
        form: bool = True,
        progress: Progress = _no_progress,
    ) -> ProgramReport:
        """Brings the cells of a tile to `target_siemens` (rows, columns) within the tolerance by write-verify; NaN leaves a cell alone.

        form: cells that are not formed yet are formed first. policy: a write-verify policy or its name; it stays loaded.
        Raises ArgumentError, before anything is sent, for a wrong shape, a negative or unreachable target or a tolerance below one code.
        """
        target = self._cells(tile, "target_siemens", target_siemens, float)
        selected = np.isfinite(target)
        step = self.spec.siemens_per_code(self.spec.verify_range)
        wanted = target[selected]
        highest = 2000 * step
        if np.isinf(target).any() or (wanted < 0).any() or (wanted > highest).any():
            raise ArgumentError(
                f"target_siemens: values within 0..{highest:.3g} or NaN wanted, given {np.nanmin(target):.3g}..{np.nanmax(target):.3g}"
            )
        if not step <= tolerance_siemens <= highest:
            raise ArgumentError(f"tolerance_siemens: {tolerance_siemens} is not within {step:.3g}..{highest:.3g}")
        if policy is not None:
            self.load_policy(policy)
        self._calibrate_once(tile)
        formed = 0
        if form and selected.any():
            virgin = selected & (self.read_conductance(tile, samples=VIRGIN_SAMPLES) < VIRGIN_SIEMENS)
            if virgin.any():
                formed = int(virgin.sum())
                self.form(tile, virgin, progress=progress)
        cells = np.zeros((*target.shape, 2), dtype=np.int64)
        cells[selected, 0] = np.rint(wanted / step)
        cells[selected, 1] = int(tolerance_siemens / step)
        rows = np.flatnonzero(selected.any(axis=1))
        requests = ((PROGRAM, {"tile": tile, "row": int(row), "cells": cells[row]}) for row in rows)
        report = self._report(selected, rows, self._session.stream(requests), "programming", progress)
        return ProgramReport(selected, report.status, report.pulses, report.conductance, formed)

    def read_conductance(self, tile: int, *, samples: int = 1) -> Floats:
        """Conductances (rows, columns) in siemens, each read `samples` times and averaged."""
        self._tile(tile)
        if samples not in range(1, 65):
            raise ArgumentError(f"samples: an integer within 1..64 wanted, given {samples!r}")
        spec = self.spec

        def requests() -> Iterator[tuple[Command, dict[str, Any]]]:
            row = 0
            while row < spec.rows:
                rows = min(spec.rows - row, max(1, self._session.payload_budget * 2 // (3 * spec.columns)))
                yield READ, {"tile": tile, "row": row, "rows": rows, "samples": samples}
                row += rows

        codes = np.concatenate([answer["codes"] for answer in self._session.stream(requests())])
        conductance: Floats = codes.reshape(spec.rows, spec.columns) * spec.siemens_per_code(spec.verify_range)
        return conductance

    def pulse(
        self, tile: int, row: int, column: int, volts: float, *, gate_v: float = 4.0, width_s: float = 1e-6
    ) -> float:
        """Applies one pulse to one cell (positive volts SET, negative RESET) and returns its conductance after it, in siemens."""
        spec = self.spec
        for name, value in (("volts", volts), ("gate_v", gate_v), ("width_s", width_s)):
            if not np.isfinite(value):
                raise ArgumentError(f"{name}: {value} is not finite")
        if max(abs(volts), gate_v) > spec.rail_dac.full_scale_v or gate_v < 0 or not 0 < width_s < 1:
            raise ArgumentError(
                f"a pulse of {volts} V, gate {gate_v} V, {width_s} s is beyond the rails (0..{spec.rail_dac.full_scale_v} V, below 1 s)"
            )
        answer = self._session.request(
            PULSE,
            tile=self._tile(tile),
            row=self._index("row", row, spec.rows),
            column=self._index("column", column, spec.columns),
            polarity=Polarity.SET if volts >= 0 else Polarity.RESET,
            rail=spec.rail_code(abs(volts)),
            gate=spec.rail_code(gate_v),
            width_ns=round(width_s * 1e9),
        )
        if answer["code"] == PULSE_TRIPPED:
            raise ChipError("the pulse tripped the over-current latch; look for shorts, then clear_trip()", 0)
        return float(answer["code"] * spec.siemens_per_code(spec.verify_range))

    def iv_sweep(self, tile: int, row: int, column: int, volts: ArrayLike, *, tia_range: int | None = None) -> Floats:
        """Currents (A) of one cell at read voltages `volts` (n,), within the read limit either side of 0."""
        spec = self.spec
        tia_range = (
            spec.verify_range if tia_range is None else self._index("tia_range", tia_range, len(spec.afe.tia_ohm))
        )
        values = np.asarray(volts, dtype=np.float64)
        codes = np.rint(values / spec.row_dac.lsb_v) if np.isfinite(values).all() else np.array([])
        if values.ndim != 1 or values.size == 0 or codes.size == 0 or np.abs(codes).max() > spec.read_clamp:
            raise ArgumentError(
                f"volts: a list of finite values within +-{spec.limits.read_v} V wanted, given {volts!r}"
            )
        answer = self._session.request(
            IV,
            tile=self._tile(tile),
            row=self._index("row", row, spec.rows),
            column=self._index("column", column, spec.columns),
            range=tia_range,
            codes=codes.astype(np.int64),
        )
        amperes: Floats = answer["codes"] * (spec.column_adc.lsb_v / spec.afe.tia_ohm[tia_range] / (1 << FRACTION_BITS))
        return amperes

    # Vectors

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

    def infer(self, X: ArrayLike, *, progress: Progress = _no_progress) -> Floats:
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
        policy: Policy | str | None = None,
        repair: bool = True,
        progress: Progress = _no_progress,
    ) -> ProgramReport:
        """Programs a compiled network: calibrates, forms and write-verifies the cells it uses, then loads its steps and biases.

        repair: where a cell has not reached its target, the other cells of its weight make up for the difference as far as they can.
        """
        self._check_network(network)
        if policy is not None:
            self.load_policy(policy)
        report = self._program_tiles(network.targets, tolerance_siemens, progress)
        if repair and report.failed.any():
            targets = compensated(network, FaultMap(report.failed, report.conductance), self.spec)
            # A cell that works is written again only where its target has moved.
            moved = report.converged & (np.abs(targets - network.targets) > tolerance_siemens)
            second = self._program_tiles(np.where(moved, targets, np.nan), tolerance_siemens, progress, form=False)
            report = report.followed_by(second)
        self.load(network)
        return report

    def _program_tiles(
        self, targets: Floats, tolerance_siemens: float, progress: Progress, *, form: bool = True
    ) -> ProgramReport:
        """Brings the cells of all tiles to targets (tiles, rows, columns)."""
        return ProgramReport.of_tiles(
            [
                self.program_conductance(tile, target, tolerance_siemens, form=form, progress=progress)
                for tile, target in enumerate(targets)
            ]
        )

    def find_faults(self, *, progress: Progress = _no_progress) -> FaultMap:
        """Finds the cells that no longer move: each is brought into the lower part of its range and then into the upper one.

        Cells that are not formed yet are formed; what was on the chip is lost. Give the map to `ohmloom.compile`.
        """
        cell, shape = self.spec.cell, (self.spec.tiles, self.spec.rows, self.spec.columns)
        low, high = (cell.g_min_siemens + share * (cell.g_max_siemens - cell.g_min_siemens) for share in FAULT_LEVELS)
        stuck = np.zeros(shape, dtype=np.bool_)
        for level in (low, high):
            report = self._program_tiles(np.full(shape, level), FAULT_TOLERANCE * (high - low), progress)
            stuck |= report.failed
        conductance = np.full(shape, np.nan)
        for tile in range(self.spec.tiles):
            conductance[tile][stuck[tile]] = self.read_conductance(tile, samples=FAULT_SAMPLES)[stuck[tile]]
        return FaultMap(stuck, conductance)

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

    # Learning

    def fine_tune(
        self,
        network: Network,
        X: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 30,
        learning_rate: float = 0.01,
        tolerance_siemens: float = 1e-6,
        seed: int = 0,
        progress: Progress = _no_progress,
    ) -> Network:
        """Retrains a programmed network to what this chip really does with X (samples, inputs) and y; the network that is on it then.

        Layer by layer (chip-in-the-loop fine-tuning, Wan et al., Nature 608 (2022)): what the chip answers behind a layer trains the
        layers after it, of which the next is programmed; at the end the outputs' digital biases. The first layer keeps its weights.
        y: labels (samples,), classes of the network, or values (samples,) or (samples, outputs) of a regression. epochs, learning_rate (of a
        layer's largest weight) and seed belong to the retraining of each.
        Raises ArgumentError for data that do not fit the network, and for one in analog mode: no converter stands behind its layers.
        """
        return fine_tune(self, network, X, y, epochs, learning_rate, tolerance_siemens, seed, progress)

    def train_in_situ(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        hidden: Sequence[int] = (64,),
        task: Task = "classification",
        updates: int = 120,
        batch_size: int = 400,
        learning_rate: float = 0.2,
        rest_s: float = 0.1,
        seed: int = 0,
        progress: Progress = _no_progress,
    ) -> Network:
        """Trains a network in the cells, from random weights by single pulses of either sign; the network that is on the chip then.

        X: (samples, inputs); y: labels (samples,), or values (samples,) or (samples, outputs) of a regression. hidden: widths of the ReLU
        layers. learning_rate: in units of a cell's range, falls to 0 over the updates. rest_s: time after an update, in which its cells relax
        most, before the next batch looks at them. seed: of the random weights and batches. `ohmloom.train.in_situ` says how it works.
        Raises ArgumentError for data or settings that do not fit, and for a network too large for the chip.
        """
        return train_in_situ(
            self, X, y, hidden=hidden, task=task, updates=updates, batch_size=batch_size, learning_rate=learning_rate, rest_s=rest_s,
            seed=seed, progress=progress,
        )  # fmt: skip

    # Upkeep

    def calibrate(self, tile: int | None = None) -> list[dict[str, int]]:
        """Measures and corrects offset and gain of the columns of one tile or of all; a report for each."""
        tiles = range(self.spec.tiles) if tile is None else [self._tile(tile)]
        return [self._session.request(CALIBRATE, tile=index) for index in tiles]

    @property
    def correction(self) -> NDArray[Any]:
        """Offset and gain corrections in force, CORRECTION_DTYPE records (tiles, ranges, columns); calibrates tiles that never were."""
        spec = self.spec
        for tile in range(spec.tiles):
            self._calibrate_once(tile)
        shape = (spec.tiles, len(spec.afe.tia_ohm), spec.columns)
        content = self._read_memory(Memory.CORRECTION, int(np.prod(shape)) * CORRECTION_DTYPE.itemsize)
        return np.frombuffer(content, CORRECTION_DTYPE).reshape(shape)

    def selftest(self) -> list[tuple[Finding, int, int, int]]:
        """(finding, tile, column, value) of everything that is wrong; an empty list is good."""
        rows = self._session.request(SELFTEST)["findings"]
        return [(Finding(row["kind"]), int(row["tile"]), int(row["index"]), int(row["value"])) for row in rows]

    def load_policy(self, policy: Policy | str) -> None:
        """Loads a write-verify policy, by name or as it is."""
        loaded = policy if isinstance(policy, Policy) else load_policy(policy)
        self._write_memory(Memory.POLICY, loaded.pack(self.spec))

    @contextmanager
    def using_policy(self, policy: Policy | str) -> Iterator[None]:
        """Loads a write-verify policy for a while; at the end the chip has its former one again."""
        before = self._read_memory(Memory.POLICY, POLICY_DTYPE.itemsize)
        self.load_policy(policy)
        try:
            yield
        finally:
            self._write_memory(Memory.POLICY, before)

    def stop(self) -> None:
        """Emergency stop: sets the safety latch, all lines float until `clear_trip`."""
        self._session.request(WRITE_REGISTERS, address=registers.TRIP_SET.address, values=[1])

    def clear_trip(self) -> None:
        """Clears the safety latch."""
        self._session.request(WRITE_REGISTERS, address=registers.TRIP_CLEAR.address, values=[registers.TRIP_CLEAR.key])

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

    def _report(
        self,
        selected: NDArray[np.bool_],
        rows: NDArray[Any],
        answers: Iterator[dict[str, Any]],
        what: str,
        progress: Progress,
    ) -> ProgramReport:
        status = np.zeros(selected.shape, np.uint8)
        pulses = np.zeros(selected.shape, np.int64)
        conductance = np.full(selected.shape, np.nan)
        step = self.spec.siemens_per_code(self.spec.verify_range)
        progress(what, 0, len(rows))
        for done, (row, answer) in enumerate(zip(rows, answers, strict=True), start=1):
            cells = answer["cells"]
            status[row], pulses[row], conductance[row] = cells["status"], cells["pulses"], cells["code"] * step
            tripped = int((status[row] == CellStatus.TRIPPED).sum())
            if tripped:  # all further rows will be refused
                raise ChipError(
                    f"{what} row {row} tripped the over-current latch at {tripped} cells; look for shorts, then clear_trip()",
                    0,
                )
            progress(what, done, len(rows))
        return ProgramReport(selected, status, pulses, conductance)

    def _calibrate_once(self, tile: int) -> None:
        """Calibrates a tile whose stored correction is still the neutral one."""
        size = len(self.spec.afe.tia_ohm) * self.spec.columns * CORRECTION_DTYPE.itemsize
        stored = np.frombuffer(self._read_memory(Memory.CORRECTION, size, tile * size), CORRECTION_DTYPE)
        if (stored["offset"] == 0).all() and (stored["gain"] == GAIN_ONE).all():
            self.calibrate(tile)

    def _check_network(self, network: Network) -> None:
        if (network.chip, network.digest) != (self.spec.name, self.spec.digest):
            raise ArgumentError(
                f"the network was compiled for {network.chip!r} (spec digest {network.digest:08x}), not for this {self.spec.name!r}"
            )

    def _registers(self) -> dict[str, int]:
        values: dict[str, int] = {}
        words = sorted(word for word, register in registers.REGISTERS.items() if "r" in register.access)
        for word in words:
            answer = self._session.request(READ_REGISTERS, address=word, count=1)
            values[registers.REGISTERS[word].name] = int(answer["values"][0])
        return values

    def _write_memory(self, memory: Memory, content: bytes) -> None:
        size = self._session.payload_max // 2
        requests = (
            (MEM_WRITE, {"memory": memory, "offset": offset, "data": content[offset : offset + size]})
            for offset in range(0, len(content), size)
        )
        for _ in self._session.stream(requests):
            pass

    def _read_memory(self, memory: Memory, length: int, offset: int = 0) -> bytes:
        size = self._session.payload_max // 2
        requests = (
            (MEM_READ, {"memory": memory, "offset": offset + start, "length": min(size, length - start)})
            for start in range(0, length, size)
        )
        return b"".join(answer["data"].tobytes() for answer in self._session.stream(requests))

    def _tile(self, tile: int) -> int:
        return self._index("tile", tile, self.spec.tiles)

    @staticmethod
    def _index(name: str, value: int, count: int) -> int:
        if not isinstance(value, (int, np.integer)) or not 0 <= value < count:
            raise ArgumentError(f"{name}: an integer within 0..{count - 1} wanted, given {value!r}")
        return int(value)

    def _cells(self, tile: int, name: str, values: ArrayLike, kind: type) -> NDArray[Any]:
        self._tile(tile)
        shape = (self.spec.rows, self.spec.columns)
        try:
            array: NDArray[Any] = np.asarray(values, dtype=kind)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{name}: not an array of numbers ({error})") from None
        if array.ndim and array.shape != shape:
            raise ArgumentError(f"{name}: shape {shape} wanted, given {array.shape}")
        return np.broadcast_to(array, shape)
