"""chip.h: one chip's numbers, for the firmware that is built for it."""

from __future__ import annotations

from ohmloom.errors import SpecError
from ohmloom.spec import core, reference
from ohmloom.spec.chip import ChipSpec
from ohmloom.spec.commands import RUN_LOAD, RUN_NEXT, Memory
from ohmloom.spec.memory_map import MemoryMap


def text(spec: ChipSpec) -> str:
    """Text of chip.h."""
    return (
        f"/* {spec.name}, digest 0x{spec.digest:08X}. Generated from its spec: do not edit. */\n"
        "#ifndef OHMLOOM_CHIP_H\n#define OHMLOOM_CHIP_H\n\n"
        + "".join(f"#define CHIP_{name} {value}\n" for name, value in numbers(spec).items())
        + "\n#endif /* OHMLOOM_CHIP_H */\n"
    )


def numbers(spec: ChipSpec) -> dict[str, str]:
    """Each constant's C text by its name. Raises SpecError for a chip with more columns than the firmware has room for."""
    store = MemoryMap(spec)
    cells = RUN_NEXT.answer.array
    assert cells is not None
    reports = 2 * (RUN_NEXT.answer.header_bytes + cells.dtype.itemsize * spec.columns)
    if reports > store.slot_bytes:
        raise SpecError(
            f"{spec.name}: link.payload_bytes is {spec.link.payload_bytes}; the firmware has two reports of a row's cells side by "
            f"side, {reports} bytes, for which it has to be more than {1 << (reports - 1).bit_length() - 1}"
        )
    ranges = range(len(spec.afe.tia_ohm))
    swings = [reference.reference_code(spec, tia_range) * core.CALIBRATION_SAMPLES for tia_range in ranges]
    probes = [reference.calibration_probes(spec, tia_range) for tia_range in ranges]
    wanted = reference.reference_q4(spec, spec.verify_range)
    plain = {
        "TILES": spec.tiles,
        "ROWS": spec.rows,
        "COLUMNS": spec.columns,
        "COLUMN_ADCS": spec.afe.column_adcs,
        "RANGES": len(ranges),
        "READ_CLAMP": spec.read_clamp,
        "VERIFY_RANGE": spec.verify_range,
        "PAYLOAD_BYTES": spec.link.payload_bytes,
        "SLOT_BITS": store.slot_bytes.bit_length() - 1,
        "ANSWERS_OFFSET": store.answer(0),
        "STORE_BYTES": store.bytes,
        **{f"{memory.name}_OFFSET": store.base[memory] for memory in Memory},
        **{f"{memory.name}_BYTES": store.sizes[memory] for memory in Memory},
        "OFFSET_BOUND": reference.OFFSET_BOUND,
        "GAIN_BOUND": reference.GAIN_BOUND,
        "REFERENCE_Q4": wanted,
        "REFERENCE_BOUND": reference.REFERENCE_BOUND_PERCENT * wanted // 100,
        **journal(spec),
    }
    return {name: str(value) for name, value in plain.items()} | {
        "DIGEST": f"UINT32_C(0x{spec.digest:08X})",
        "CALIBRATION_PROBES": _list(probes),
        "CALIBRATION_SWINGS": _list([count * swing for count, swing in zip(probes, swings, strict=True)], "ull"),
        "RESIDUAL_SWINGS": _list(swings, "ull"),
    }


def _list(values: list[int], suffix: str = "") -> str:
    return "{" + ", ".join(f"{value}{suffix}" for value in values) + "}"


def journal(spec: ChipSpec) -> dict[str, int]:
    """Sizes of the journal's records: see firmware/src/journal.c."""
    targets = RUN_LOAD.request.header_bytes + 3 * spec.columns
    bad = -(-spec.columns // 8)
    result = 2 * bad
    record = 1 << (targets + MARK_BYTES + LEAST_RESULTS * result - 1).bit_length()
    in_sector = core.FLASH_SECTOR_BYTES // record
    if not in_sector:
        raise SpecError(
            f"{spec.name}: {spec.columns} columns; a row's record in the journal, {record} bytes, is beyond a sector"
        )
    # One more sector than rows need, since a record that a power cut spoilt is passed over.
    sectors = -(-spec.tiles * spec.rows // in_sector) + 1
    return {
        "TARGET_BYTES": targets,
        "BAD_BYTES": bad,
        "BAD_WORDS": -(-bad // 4),
        "RECORD_BYTES": record,
        "RECORD_RESULTS": (record - targets - MARK_BYTES) // result,
        "JOURNAL_RECORDS": sectors * in_sector,
    }


MARK_BYTES = 2  # of a record: loaded, begun
LEAST_RESULTS = 3  # that it holds
