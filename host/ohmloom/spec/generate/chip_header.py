"""chip.h: one chip's numbers, for the firmware that is built for it."""

from __future__ import annotations

from ohmloom.spec import core, reference
from ohmloom.spec.chip import ChipSpec
from ohmloom.spec.commands import RUN_LOAD, Memory
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
    """Each constant's C text by its name."""
    store = MemoryMap(spec)
    references = [reference.reference_code(spec, tia_range) for tia_range in range(len(spec.afe.tia_ohm))]
    probes = [reference.calibration_probes(spec, tia_range) for tia_range in range(len(references))]
    plain = {
        "TILES": spec.tiles,
        "ROWS": spec.rows,
        "COLUMNS": spec.columns,
        "COLUMN_ADCS": spec.afe.column_adcs,
        "RANGES": len(references),
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
        **journal(spec),
    }
    return {name: str(value) for name, value in plain.items()} | {
        "REFERENCE_CODES": _list(references),
        "CALIBRATION_PROBES": _list(probes),
    }


def _list(values: list[int]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"


def journal(spec: ChipSpec) -> dict[str, int]:
    """Sizes of the journal's records: see firmware/src/journal.c."""
    payload = RUN_LOAD.request.header_bytes + spec.columns * 3
    result = 4 + -(-spec.columns // 8) + -(-spec.columns // 8) % 2
    record = 1 << (payload + JOURNAL_MARK_BYTES + JOURNAL_RESULTS * result - 1).bit_length()
    in_sector = core.FLASH_SECTOR_BYTES // record
    sectors = (
        -(-spec.tiles * spec.rows // in_sector) + 1
    )  # and one, since a record that a power cut spoilt is passed over
    return {
        "TARGET_BYTES": payload,
        "RESULT_BYTES": result,
        "RECORD_BYTES": record,
        "RECORD_RESULTS": (record - payload - JOURNAL_MARK_BYTES) // result,
        "JOURNAL_RECORDS": sectors * in_sector,
    }


JOURNAL_MARK_BYTES = 2  # loaded, begun
JOURNAL_RESULTS = 4  # at least, in each record
