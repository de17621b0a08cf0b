"""A virtual board: fabric, controller and link receiver in one, with its state in a file if wanted. Bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from numpy.typing import NDArray

from ohmloom.errors import ArgumentError, StateError
from ohmloom.spec import load_chip, registers
from ohmloom.spec.effects import ALL_EFFECTS, Effect
from ohmloom_emulator import state as state_file
from ohmloom_emulator.afe import Faults
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.controller.receiver import Receiver
from ohmloom_emulator.fabric import Fabric
from ohmloom_emulator.line import NoisyLine

OPTIONS = ("seed", "state", "ber", "stuck", "ideal", "effects", "faults")


class Board:
    """An emulated board of one chip.

    seed: which chip of the kind, and all its noise; state: file that keeps the chip when the board is closed, read if it exists;
    ber: bit error rate of the line in both directions; stuck: share of stuck cells; ideal: only quantisation is left;
    effects: names of the causes of error that are in force, all if not given; faults: what is broken (`ohmloom_emulator.afe.faults`), which a
    state file does not keep: boards break and are repaired.
    Raises ArgumentError for a value out of range, SpecError for an unknown chip, StateError for a state that does not fit.
    """

    def __init__(
        self,
        chip: str,
        *,
        seed: int | None = None,
        state: str | Path | None = None,
        ber: float = 0.0,
        stuck: float | None = None,
        ideal: bool | None = None,
        effects: Iterable[str] | None = None,
        faults: Iterable[str] = (),
    ) -> None:
        spec = load_chip(chip)
        try:
            broken = Faults(spec, faults)
        except ValueError as error:
            raise ArgumentError(f"faults: {error}") from None
        if not 0.0 <= ber < 0.5:
            raise ArgumentError(f"ber: {ber} is not a bit error rate within 0..0.5")
        if effects is not None:
            effects = sorted(set(effects))
        _check(0 if seed is None else seed, stuck, effects or [])
        if ideal:
            if effects:
                raise ArgumentError(
                    f"ideal leaves out every effect, so effects={','.join(effects)} cannot be wanted too"
                )
            effects = []
        self._path = None if state is None else Path(state)
        asked = {"seed": seed, "stuck": stuck, "effects": effects}
        kept: dict[str, Any] = {}
        arrays = None
        if self._path is not None and self._path.exists():
            meta, arrays = state_file.load(self._path)
            if (meta.get("chip"), meta.get("digest")) != (spec.name, spec.digest):
                raise StateError(f"state {self._path}: belongs to chip {meta.get('chip')!r}, not to this {spec.name!r}")
            kept = {key: meta.get(key) for key in asked}
            try:
                _check(**kept)
            except (ArgumentError, TypeError) as error:
                raise StateError(f"state {self._path}: damaged: {error}") from None
            for key, value in asked.items():
                if value is not None and value != kept[key]:
                    raise StateError(f"state {self._path}: was made with {key}={kept[key]}, not {value}")
        elif self._path is not None and not self._path.parent.is_dir():
            raise StateError(f"state {self._path}: no folder {self._path.parent}")
        chosen: dict[str, Any] = {
            "seed": seed or 0,
            "stuck": stuck,
            "effects": sorted(ALL_EFFECTS) if effects is None else effects,
            **kept,
        }
        chosen["effects"] = {Effect(name) for name in chosen["effects"]}
        self.fabric = Fabric(spec, **chosen, faults=broken)
        self._noise_in, self._noise_out = NoisyLine(ber, 2 * self.fabric.seed), NoisyLine(ber, 2 * self.fabric.seed + 1)
        self._attach()
        if arrays is not None:
            try:
                self.fabric.restore(arrays)
                self._restore_memories(arrays)
            except ValueError as error:
                raise StateError(f"state {self._path}: damaged: {error}") from None
        self._start()

    def _start(self) -> None:
        """Power-up, once all has its content."""

    def _attach(self) -> None:
        """Puts a controller between the line and the fabric."""
        self.controller = Controller(self.fabric)
        link = self.fabric.spec.link
        self.receiver = Receiver(
            self.controller.execute,
            window=link.window,
            max_payload=link.payload_bytes,
            baud_max=link.baud_max,
            emulated=True,
        )
        self.controller.link_counters = self._link_counters

    def _memories(self) -> dict[str, NDArray[Any]]:
        """The controller's memories, which a state file keeps."""
        return self.controller.arrays()

    def _restore_memories(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Raises ValueError when an array is missing or has another size."""
        self.controller.restore(arrays)

    @property
    def baud(self) -> int:
        """The line rate that the controller listens at."""
        return self.receiver.baud

    def feed(self, data: bytes) -> bytes:
        """Bytes that arrive at the board; returns the bytes that it sends."""
        return self._noise_out(self.receiver.feed(self._noise_in(data)))

    def save(self) -> None:
        """Writes the state file, if there is one."""
        if self._path is not None:
            fabric = self.fabric
            meta = {
                "chip": fabric.spec.name,
                "digest": fabric.spec.digest,
                "seed": fabric.seed,
                "stuck": fabric.stuck,
                "effects": sorted(fabric.effects),
            }
            state_file.save(self._path, meta, {**fabric.state(), **self._memories()})

    def _link_counters(self) -> dict[registers.Register, int]:
        receiver = self.receiver
        return {
            registers.FRAMES_GOOD: receiver.frames_good,
            registers.FRAMES_BAD: receiver.frames_bad,
            registers.NAKS: receiver.naks,
            registers.REPEATS: receiver.repeats,
        }


def board_of_url(url: str, kind: Callable[..., Board] = Board) -> Board:
    """The board, of a kind, that `emu://CHIP?seed=1&state=FILE&ber=1e-4&stuck=0.1&ideal=1&faults=row:0:3` names.

    CHIP may be the path of a TOML file. Raises ArgumentError for an unknown option or a value that cannot be read.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ArgumentError(f"{url}: unknown option {unknown[0]!r}; known: {', '.join(OPTIONS)}")
    try:
        return kind(
            unquote(parts.netloc + parts.path).rstrip("/"),
            seed=int(options["seed"]) if "seed" in options else None,
            state=options.get("state"),
            ber=float(options.get("ber", 0.0)),
            stuck=float(options["stuck"]) if "stuck" in options else None,
            ideal=_flag(options["ideal"]) if "ideal" in options else None,
            effects=_names(options["effects"]) if "effects" in options else None,
            faults=_names(options.get("faults", "")),
        )
    except ValueError as error:
        raise (
            error
            if isinstance(error, (ArgumentError, StateError)) or type(error) is not ValueError
            else ArgumentError(f"{url}: {error}")
        ) from None


def _check(seed: int, stuck: float | None, effects: Iterable[str]) -> None:
    """Raises ArgumentError, or TypeError for values of another type."""
    if not isinstance(seed, int) or not 0 <= seed < 1 << 63:
        raise ArgumentError(f"seed: {seed} is not an integer within 0..2**63-1")
    if stuck is not None and not 0.0 <= stuck <= 1.0:
        raise ArgumentError(f"stuck: {stuck} is not a share within 0..1")
    for name in effects:
        if name not in ALL_EFFECTS:
            raise ArgumentError(f"effects: unknown {name!r}; known: {', '.join(sorted(ALL_EFFECTS))}")


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _flag(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "": True, "0": False, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError(f"ideal={text}: 0 or 1 is allowed")
    return words[text.lower()]
