"""A run's journal as it lies in the flash (firmware/src/journal.c), and as the emulator keeps it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec, core, registers
from ohmloom.spec.commands import RUN_LOAD, RowState, RunKind
from ohmloom.spec.generate import chip_header
from ohmloom_emulator.controller.journal import Journal

BLANK = 0xFF
RUN_WORDS = 4  # digest, run, key, kind and retries; then the same inverted


def flash_bytes(spec: ChipSpec) -> int:
    """Of the flash from FLASH_JOURNAL on: the run's sector and the records."""
    sizes = chip_header.journal(spec)
    return core.FLASH_SECTOR_BYTES + sizes["JOURNAL_RECORDS"] * sizes["RECORD_BYTES"]


def to_flash(journal: Journal, spec: ChipSpec) -> bytes:
    """Content of the flash from FLASH_JOURNAL on; records are in the order of rows."""
    sizes = chip_header.journal(spec)
    content = np.full(flash_bytes(spec), BLANK, dtype=np.uint8)
    if not journal.run:
        return content.tobytes()
    key = registers.ARM.key if journal.kind == RunKind.FORM else 0
    assert key is not None
    words = np.array([spec.digest, journal.run, key, journal.kind | journal.retries << 8], dtype="<u4")
    content[: 8 * RUN_WORDS] = np.concatenate([words, ~words]).view(np.uint8)
    loaded, begun, results = sizes["TARGET_BYTES"], sizes["TARGET_BYTES"] + 1, sizes["TARGET_BYTES"] + 2
    records = content[core.FLASH_SECTOR_BYTES :].reshape(-1, sizes["RECORD_BYTES"])
    for record, (tile, row) in zip(records, np.argwhere(journal.state != RowState.EMPTY), strict=False):
        target, tolerance = journal.cells(tile, row)
        payload = RUN_LOAD.request.pack(
            tile=int(tile), row=int(row), cells=np.stack([target, tolerance], axis=1).ravel()
        )
        record[:loaded] = np.frombuffer(payload, np.uint8)
        record[loaded] = 0
        if journal.state[tile, row] != RowState.LOADED:
            record[begun] = 0
        if journal.state[tile, row] == RowState.DONE:
            bad = np.packbits(journal.bad[tile, row], bitorder="little")
            record[results : results + 2 * len(bad)] = np.concatenate([bad, ~bad])
    return content.tobytes()


def from_flash(content: bytes, spec: ChipSpec) -> Journal:
    """The journal in the flash from FLASH_JOURNAL on; an empty one where there is no run of this chip."""
    journal, sizes = Journal(spec), chip_header.journal(spec)
    words = np.frombuffer(content, "<u4", 2 * RUN_WORDS)
    digest, run, _, kind = words[:RUN_WORDS].tolist()
    if (words[:RUN_WORDS] != ~words[RUN_WORDS:]).any() or digest != spec.digest:
        return journal
    journal.begin(run, RunKind(kind & 0xFF), kind >> 8)
    loaded, begun, results = sizes["TARGET_BYTES"], sizes["TARGET_BYTES"] + 1, sizes["TARGET_BYTES"] + 2
    records = np.frombuffer(content, np.uint8, offset=core.FLASH_SECTOR_BYTES)
    for record in records.reshape(-1, sizes["RECORD_BYTES"]):
        if record[loaded]:
            continue
        values = RUN_LOAD.request.unpack(record[:loaded].tobytes())
        tile, row = values["tile"], values["row"]
        if tile >= spec.tiles or row >= spec.rows:
            continue
        target, tolerance = values["cells"].reshape(-1, 2).T
        journal.load(tile, row, target, tolerance)
        # A row may have ended before flash was free for its mark.
        if record[begun] != BLANK or (record[results:] != BLANK).any():
            journal.start(tile, row)
        bad = _bad_cells(record[results:], sizes, spec.columns)
        if bad is not None:
            journal.finish(tile, row, bad)
    return journal


def _bad_cells(results: NDArray[np.uint8], sizes: dict[str, int], columns: int) -> NDArray[np.bool_] | None:
    """Of a record's first whole result; all cells where none of its places is whole and none is empty; None: no result yet."""
    size, places = sizes["BAD_BYTES"], sizes["RECORD_RESULTS"]
    for place in results[: 2 * size * places].reshape(places, 2, size):
        if (place == BLANK).all():
            return None
        if (place[0] == ~place[1]).all():
            return np.unpackbits(place[0], count=columns, bitorder="little").astype(np.bool_)
    return np.ones(columns, dtype=np.bool_)
