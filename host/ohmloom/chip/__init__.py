"""A chip behind a link: the calls that a lab script makes, whatever the endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from numpy.typing import ArrayLike

from ohmloom.chip.connection import Progress, no_progress
from ohmloom.chip.findings import SelftestFinding
from ohmloom.chip.runs import RunStatus
from ohmloom.chip.vectors import Vectors
from ohmloom.compiler import Network
from ohmloom.errors import ArgumentError
from ohmloom.link import Port, Session, open_port
from ohmloom.model import Task
from ohmloom.recording import RecordingPort
from ohmloom.spec import ChipSpec
from ohmloom.train.in_situ import train_in_situ
from ohmloom.train.in_the_loop import fine_tune

__all__ = ["SPEC_SCHEMES", "Chip", "Progress", "RunStatus", "SelftestFinding", "connect", "record"]

SPEC_SCHEMES = ("emu", "rtl")


def connect(url: str, *, spec: ChipSpec | str | Path | None = None, baud: int | None = None, **options: Any) -> Chip:
    """Opens an endpoint: `emu://CHIP`, `/dev/ttyUSB1`, `socket://host:port` or any other pyserial URL.

    options (seed, state, ber, stuck, ideal, effects, faults) belong to emulated endpoints and may stand in the URL's query as well. spec: the
    chip's spec where it has another name than a bundled one. baud: line rate to change to; the controller's highest if not given.
    Raises LinkError when nothing or something else answers, ArgumentError for options that the endpoint does not take.
    """
    url = _with_options(url, options)
    return connected(open_port(url), url, spec, baud)


def record(
    url: str,
    file: str | Path,
    *,
    spec: ChipSpec | str | Path | None = None,
    baud: int | None = None,
    **options: Any,
) -> Chip:
    """Like `connect`, and writes all frames that pass, with their times, to a file; `replay://FILE` answers from it.

    The file's format: `ohmloom.recording`. Raises OSError when it cannot be written.
    """
    url = _with_options(url, options)
    port = open_port(url)
    try:
        recorded = RecordingPort(port, file, url)
    except BaseException:
        port.close()
        raise
    return connected(recorded, url, spec, baud)


def _with_options(url: str, options: dict[str, Any]) -> str:
    parts = urlsplit(url)
    if options and parts.scheme not in SPEC_SCHEMES:
        raise ArgumentError(
            f"{url}: options {', '.join(sorted(options))} belong to {', '.join(f'{s}://' for s in SPEC_SCHEMES)} endpoints"
        )
    values = {key: _option(value) for key, value in options.items() if value is not None}
    return url + (("&" if parts.query else "?") + urlencode(values, quote_via=quote) if values else "")


def connected(port: Port, url: str, spec: ChipSpec | str | Path | None, baud: int | None) -> Chip:
    """The chip at a port that was opened for `url`; closes the port when there is none."""
    session = Session(port)
    try:
        parts = urlsplit(url)
        if spec is None and parts.scheme in SPEC_SCHEMES:
            spec = unquote(parts.netloc + parts.path).rstrip("/")
        session.hello()
        if baud is not None or session.baud_max > session.baud:
            session.set_rate(baud or session.baud_max)
        return Chip(session, spec)
    except BaseException:
        session.close()
        raise


def _option(value: Any) -> Any:
    """As it stands in a URL's query."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(map(str, value))
    return int(value) if isinstance(value, bool) else value


class Chip(Vectors):
    """A connected chip. A context manager; `close` ends the connection and saves an emulated chip's state.

    spec: its `ChipSpec`. Tiles, rows and columns count from 0; conductances are in siemens, codes are signed 12-bit integers.
    Every call raises LinkError when the line fails and ChipError when the controller refuses.
    """

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
        progress: Progress = no_progress,
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
        progress: Progress = no_progress,
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
