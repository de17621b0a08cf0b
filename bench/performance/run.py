"""Clock cycles between vectors on the compiled gateware, against what its converters need: docs/performance.md.

python bench/performance/run.py [--output docs/performance.md]
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ohmloom
from ohmloom.link import FrameDecoder, Session, encode, open_port
from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import ANSWER, DEFAULT_BAUD, HELLO, MVM, PROTOCOL_VERSION, RATE
from ohmloom_hdl.afe.parts import AdcTiming, DacTiming
from ohmloom_twin.board import TwinBoard

NETWORKS = {"bench-8x16": (4, 8, 2), "lab-128x128x4": (64, 32, 10)}
BOUND = 1.1  # times what the converters need


@dataclass(frozen=True)
class Drive:
    """cycle: of its first settled sample; end: of its last; bound: cycles that settling and its conversions need; rows: driven."""

    cycle: int
    end: int
    bound: float
    rows: int


class Bench:
    """`rtl://` of a chip, whose drives are noted when the parts' models have settled and are sampled."""

    def __init__(self, chip: str) -> None:
        port: Any = open_port(f"rtl://{chip}?seed=1")
        session = Session(port, silence_s=600)
        session.hello()
        session.set_rate(session.baud_max)
        session.payload_budget = session.payload_max
        self.chip = ohmloom.Chip(session, chip)
        self.spec: ChipSpec = self.chip.spec
        self.rng = np.random.default_rng(0)
        self._board = port.board
        self._noted: list[list[int]] = []
        fabric, adcs = self._board.fabric, self.spec.afe.column_adcs
        drive, convert = fabric.drive, fabric.convert

        def driven(codes: np.ndarray) -> Any:
            self._noted.append([self._board.twin.cycles, 0, codes.shape[1]])
            return drive(codes)

        def converted(columns: np.ndarray) -> Any:
            self._noted[-1][1] = -(-len(columns) // adcs)
            return convert(columns)

        fabric.drive, fabric.convert = driven, converted

    def drives(self, job: Any) -> list[Drive]:
        """What `job` has the controller do."""
        self._noted.clear()
        job()
        spec = self.spec
        cycles_ns, frame = spec.controller.clock_hz / 1e9, AdcTiming.of(spec.column_adc, spec.controller.clock_hz).frame
        return [
            Drive(
                cycle,
                cycle + (slots - 1) * frame,
                (spec.settle_ns + slots * spec.column_adc.conversion_ns) * cycles_ns,
                rows,
            )
            for cycle, slots, rows in self._noted
        ]

    def mvm(self, vectors: int = 8) -> list[Drive]:
        clamp = self.spec.read_clamp
        codes = self.rng.integers(-clamp, clamp + 1, (vectors, self.spec.rows))
        return self.drives(lambda: self.chip.mvm(0, codes))

    def load(self, widths: tuple[int, ...]) -> None:
        """A network of random weights; what cells hold does not change when anything happens."""
        layers = tuple(
            ohmloom.Layer(self.rng.normal(size=(n, m)) / np.sqrt(n), np.zeros(m), "none" if m == widths[-1] else "relu")
            for n, m in itertools.pairwise(widths)
        )
        X = self.rng.uniform(0, 1, (200, widths[0]))
        self.chip.load(ohmloom.compile(ohmloom.Model(layers, "regression"), self.spec, X))

    def infer(self, vectors: int) -> list[Drive]:
        interface = self.chip.interface
        X = self.rng.uniform(0, 1, (vectors, interface.inputs))
        return self.drives(lambda: self.chip.infer(X))


@dataclass(frozen=True)
class Result:
    """Clock cycles a vector, or of one; shifts: of the row DACs' frames for the drives after the first."""

    cycles: float
    bound: float
    shifts: int = 0

    @property
    def ratio(self) -> float:
        return self.cycles / self.bound


def steady(drives: list[Drive], vectors: int, period: int) -> Result:
    """Between the first drives of the second pair of vectors and of the last one. period: drives of a pair."""
    first, last = drives[period], drives[-period]
    between = drives[period:-period]
    pairs = len(between) // period
    assert len(drives) * 2 == vectors * period
    return Result((last.cycle - first.cycle) / (2 * pairs), sum(drive.bound for drive in between) / (2 * pairs))


def alone(spec: ChipSpec, drives: list[Drive]) -> Result:
    """One vector, from the update of the row DACs for its first drive to its last sample."""
    timing = DacTiming.of(spec.row_dac, spec.controller.clock_hz)
    frame = timing.clocks + timing.sync_high
    shifts = sum(-(-drive.rows // spec.afe.row_dacs) * frame for drive in drives[1:])
    settle = spec.settle_ns * spec.controller.clock_hz / 1e9
    return Result(drives[-1].end - drives[0].cycle + settle, sum(drive.bound for drive in drives), shifts)


def measure(chip: str) -> dict[str, Result]:
    """MVM and INFER in steady state, and INFER of one vector."""
    bench = Bench(chip)
    mvm = steady(bench.mvm(8), 8, 2)
    bench.load(NETWORKS[chip])
    one = bench.infer(1)
    pairs = steady(bench.infer(8), 8, 2 * len(one))
    return {"MVM": mvm, "INFER, pairs": pairs, "INFER, one": alone(bench.spec, one)}


@dataclass(frozen=True)
class Stream:
    """Shares of the line's bits that are payload while frames follow each other: of requests and of answers."""

    vectors: int
    requests: float
    answers: float


def stream(chip: str) -> Stream:
    """MVM frames as long as they may be, sent without a pause at the highest rate.

    What further frames take is the time of those in the middle. Where answers are longer than requests, only a window is sent.
    """
    board = TwinBoard(chip)
    spec = board.fabric.spec
    link, vectors = (
        spec.link,
        8 * (spec.link.payload_bytes - MVM.request.header_bytes) // (12 * max(spec.rows, spec.columns)),
    )
    hello = HELLO.request.pack(session=1, protocol=PROTOCOL_VERSION)
    board.feed_at(encode(HELLO.code, 0, hello), DEFAULT_BAUD)
    board.feed_at(encode(RATE.code, 1, RATE.request.pack(baud=link.baud_max)), DEFAULT_BAUD)
    codes = np.random.default_rng(2).integers(-spec.read_clamp, spec.read_clamp + 1, vectors * spec.rows)
    request = MVM.request.pack(tile=0, range=0, count=vectors, codes=codes)
    few, many = (2, link.window) if spec.columns > spec.rows else (link.window, 3 * link.window)
    spent, sequence, length = [], 2, 0
    for count in (few, many):
        data = b"".join(encode(MVM.code, sequence + place, request) for place in range(count))
        sequence += count
        before = board.twin.cycles
        answers = FrameDecoder(link.payload_bytes).feed(board.feed_at(data, link.baud_max))
        spent.append(board.twin.cycles - before)
        assert [answer.type for answer in answers] == [MVM.code | ANSWER] * count
        length = len(answers[0].payload)
    board.twin.close()
    bits = (spent[1] - spent[0]) / (many - few) * link.baud_max / spec.controller.clock_hz
    return Stream(vectors, 10 * len(request) / bits, 10 * length / bits)


def page(measured: dict[str, dict[str, Result]], streams: dict[str, Stream]) -> str:
    lines = [
        "# Performance of the gateware",
        "",
        "Generated by `python bench/performance/run.py --output docs/performance.md`: clock cycles of the compiled gateware (`rtl://`),",
        "counted at the samples that the models of the parts take once the array has settled.",
        "",
        "The converters' bound of a drive is the data sheets' settling of row DAC and TIA, and 1 us for each conversion. Steady state: the time",
        "between vectors that follow each other in a frame.",
        "",
        "## Vectors that follow each other",
        "",
        "| chip | job | clock | cycles a vector | time | bound | of the bound |",
        "|---|---|---|---|---|---|---|",
    ]
    for chip, results in measured.items():
        spec = ohmloom.load_chip(chip)
        mhz, name = spec.controller.clock_hz / 1e6, "-".join(map(str, NETWORKS[chip]))
        jobs = {"MVM": f"MVM {spec.rows}x{spec.columns}", "INFER, pairs": f"INFER {name}, two vectors interleaved"}
        for key, job in jobs.items():
            result = results[key]
            lines.append(
                f"| {chip} | {job} | {mhz:g} MHz | {result.cycles:g} | {result.cycles / mhz:.1f} us | {result.bound / mhz:.1f} us |"
                f" {result.ratio:.2f} |"
            )
    lines += [
        "",
        "## One vector alone",
        "",
        "From the row DACs' update for the first step to the last sample of the last one. Samples of a step become codes of the next one:",
        "what is beyond the converters' bound are mostly the frames of the row DACs, which begin with the first codes that are known.",
        "",
        "| chip | network | cycles | time | bound | beyond it | row DACs' frames |",
        "|---|---|---|---|---|---|---|",
    ]
    for chip, results in measured.items():
        spec, one = ohmloom.load_chip(chip), results["INFER, one"]
        mhz, name = spec.controller.clock_hz / 1e6, "-".join(map(str, NETWORKS[chip]))
        beyond = one.cycles - one.bound
        lines.append(
            f"| {chip} | {name} | {one.cycles:.0f} | {one.cycles / mhz:.1f} us | {one.bound / mhz:.1f} us | {beyond / mhz:.1f} us |"
            f" {one.shifts / mhz:.1f} us |"
        )
    lines += [
        "",
        "## Vectors over the UART",
        "",
        "MVM frames as long as they may be, one after the other at 3 Mbaud: payload bytes x 10 / bits of the line.",
        "",
        "| chip | vectors a frame | requests | answers |",
        "|---|---|---|---|",
    ]
    for chip, shares in streams.items():
        lines.append(f"| {chip} | {shares.vectors} | {shares.requests:.0%} | {shares.answers:.0%} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="file for the page; stdout if not given")
    arguments = parser.parse_args()
    text = page({chip: measure(chip) for chip in NETWORKS}, {chip: stream(chip) for chip in NETWORKS})
    if arguments.output:
        arguments.output.write_text(text, "utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
