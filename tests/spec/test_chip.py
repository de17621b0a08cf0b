"""Chip specs: every slip is named, and what follows from the data sheets follows."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from ohmloom.errors import Error, SpecError
from ohmloom.spec import ChipSpec, chip_names, load_chip

BENCH = (files("ohmloom.spec") / "chips" / "bench-8x16.toml").read_text("utf-8")


def variant(folder: Path, key: str, literal: str | None) -> Path:
    """The bench chip's file with `section.key` set to a TOML literal, added, or left out (None)."""
    section, _, name = key.rpartition(".")
    lines, current, done = [], "", literal is None
    for line in BENCH.splitlines():
        if line.startswith("["):
            if current == section and not done:
                lines.append(f"{name} = {literal}")
                done = True
            current = line[1 : line.index("]")]
        if current == section and line.split("=")[0].strip() == name:
            if literal is None or done:
                continue
            line, done = f"{name} = {literal}", True
        lines.append(line)
    path = folder / "chip.toml"
    path.write_text("\n".join(lines if done else [*lines, f"{name} = {literal}"]) + "\n", "utf-8")
    return path


def test_the_untouched_variant_is_the_bundled_chip(tmp_path: Path) -> None:
    assert load_chip(variant(tmp_path, "rows", "8")) == load_chip("bench-8x16")
    assert load_chip(variant(tmp_path, "rows", "7")) != load_chip("bench-8x16")


# Values that one key does not allow; None leaves the key out.
WRONG: dict[str, list[str | None]] = {
    "name": [None, '""', '"a b"', '"../x"', f'"{"x" * 64}"', "8"],
    "tiles": [None, "0", "256", "-1", "1.5", "true"],
    "rows": ["0", "1025", '"8"', "8.0"],
    "columns": ["0", "15", "1026"],
    "temperature_k": ["0", "nan", "inf"],
    "colour": ['"red"'],
    "wires.row_ohm": ["-0.1", "nan"],
    "wires.column_ohm": ["inf"],
    "wires.sense_ohm": [None],
    "wires.extra": ["1"],
    "cell.model": [None],
    "cell.g_min_siemens": ["0"],
    "cell.g_max_siemens": ["nan"],
    "afe.row_dac": ['"ad0000"', '"ads7953"', '"../chips/bench-8x16"'],
    "afe.rail_dac": ['"adg714"'],
    "afe.column_adc": ['"ad5628-1"'],
    "afe.switch": ['"none"', '"ads7953"'],
    "afe.row_dacs": ["0"],
    "afe.column_adcs": ["0"],
    "afe.vmid_v": ["-1.25"],
    "afe.tia_ohm": ["[]", "[1.0, 2.0, 3.0, 4.0, 5.0]", "[0.0]", "6800.0", '["6800"]'],
    "afe.tia_settle_ns": ["-1"],
    "afe.reference_ohm": ["0"],
    "limits.read_v": ["0", "1.3", '"0.2"'],
    "limits.set_v": ["5.1"],
    "limits.reset_v": ["nan"],
    "limits.form_v": ["5.01"],
    "limits.gate_v": ["6"],
    "limits.pulse_ns": ["0"],
    "limits.cells_per_pulse": ["0"],
    "limits.duty": ["0", "1.1"],
    "limits.over_current_a": ["-1"],
    "link.payload_bytes": ["127", "16385"],
    "link.window": ["0", "65"],
    "link.baud_max": ["300"],
    "link.parity": ['"even"'],
}
# Values that break a rule between keys, and the key that the message is about.
INCONSISTENT = [
    ("rows", "9", "afe.row_dacs"),
    ("columns", "18", "afe.column_adcs"),
    ("cell.g_min_siemens", "40e-6", "g_min_siemens"),
    ("afe.vmid_v", "2.45", "limits.read_v"),
    ("afe.vmid_v", "3.0", "limits.read_v"),
    ("afe.rail_dac", '"ad5628-1"', "limits.set_v"),
]
CASES = [(key, literal, key) for key, literals in WRONG.items() for literal in literals] + INCONSISTENT


@pytest.mark.parametrize(("key", "literal", "blamed"), CASES)
def test_a_wrong_value_is_named(tmp_path: Path, key: str, literal: str | None, blamed: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_chip(variant(tmp_path, key, literal))
    message = str(caught.value)
    assert blamed in message
    assert "chip.toml" in message
    assert len(message) < 400


def test_many_wrong_values_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("", "utf-8")
    with pytest.raises(SpecError, match=r"name: Field required.*; and \d+ more"):
        load_chip(path)


def test_a_frame_holds_what_cannot_be_split(tmp_path: Path) -> None:
    """A vector for 128 rows is 4 + 192 bytes, a row's report of 64 columns 320."""
    text = BENCH.replace("payload_bytes = 512", "payload_bytes = 195").replace("row_dacs = 1", "row_dacs = 16")
    path = tmp_path / "tall.toml"
    path.write_text(text.replace("rows = 8", "rows = 128"), "utf-8")
    with pytest.raises(SpecError, match=r"link\.payload_bytes: 195 is below the 196"):
        load_chip(path)
    path.write_text(text.replace("rows = 8", "rows = 127"), "utf-8")
    assert load_chip(path).rows == 127
    path.write_text(text.replace("column_adcs = 1", "column_adcs = 4").replace("columns = 16", "columns = 64"), "utf-8")
    with pytest.raises(SpecError, match=r"link\.payload_bytes: 195 is below the 320"):
        load_chip(path)


def test_unknown_chips_list_the_known_ones(tmp_path: Path) -> None:
    for name in ("lab-1x1", "", "x" * 5000, "a\0b", str(tmp_path), "../chips/bench-8x16"):
        with pytest.raises(SpecError) as caught:
            load_chip(name)
        assert isinstance(caught.value, Error)
        assert isinstance(caught.value, ValueError)
    with pytest.raises(SpecError, match=r"unknown chip 'lab-1x1'; known: bench-8x16, .*lab-128x128x4"):
        load_chip("lab-1x1")


@pytest.mark.parametrize(
    "content", [b"rows = ", b"rows = 8\nrows = 8", b"\xff\xfe", b"= 1", b"[wires\n", b"wires = 3\n[wires]"]
)
def test_bad_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"bad\.toml"):
        load_chip(path)


def test_an_unknown_part_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"unknown part 'ad0000'; known: ad5628-1, ad5628-2, adg714, ads7953"):
        load_chip(variant(tmp_path, "afe.row_dac", '"ad0000"'))


@pytest.mark.parametrize(
    ("name", "tiles", "rows", "columns"), [("bench-8x16", 2, 8, 16), ("lab-128x128x4", 4, 128, 128)]
)
def test_bundled_chips_follow_from_the_data_sheets(name: str, tiles: int, rows: int, columns: int) -> None:
    chip = load_chip(name)
    assert name in chip_names()
    assert (chip.name, chip.tiles, chip.rows, chip.columns, chip.pairs) == (name, tiles, rows, columns, columns // 2)
    # AD5628-1: 12 bits of 2.5 V, 7 us; -2: 12 bits of 5 V. ADS7953: 12 bits of 2.5 V, 16 channels, 1 MS/s.
    assert chip.row_dac.lsb_v == 2.5 / 4096
    assert chip.rail_dac.lsb_v == 5.0 / 4096
    assert chip.column_adc.lsb_v == 2.5 / 4096
    assert chip.row_dac.channels * chip.afe.row_dacs == rows
    assert chip.column_adc.channels * chip.afe.column_adcs == columns
    assert chip.column_adc.conversion_ns == 1000
    assert chip.read_clamp == 327  # 0.2 V x 4096 / 2.5 V = 327.68
    assert chip.settle_ns == 7000 + 300
    assert chip.rail_settle_ns == 7000
    assert chip.afe.tia_ohm == (6800.0, 47000.0)
    assert chip.verify_range == 1
    # One ADC code, 610.35 uV over the resistor, at 327 x 610.35 uV on the row.
    assert chip.siemens_per_code(0) == pytest.approx(1 / (6800 * 327), rel=1e-12)
    assert chip.siemens_per_code(1) == pytest.approx(1 / (47000 * 327), rel=1e-12)
    # The verify range shows a +-1 uS tolerance in 15 codes and does not saturate at 40 uS.
    assert 40e-6 / chip.siemens_per_code(1) < 2047


def test_rail_codes_never_exceed_what_was_asked() -> None:
    chip = load_chip("bench-8x16")
    assert [chip.rail_code(volts) for volts in (0.0, 1.2, 4.0, 4.5)] == [0, 983, 3276, 3686]
    assert chip.rail_code(5.0) == 4095  # the last of 12 bits
    for code in range(4096):
        assert chip.rail_code(code * 5.0 / 4096) == code


def test_the_read_clamp_fits_twelve_bits(tmp_path: Path) -> None:
    assert load_chip(variant(tmp_path, "limits.read_v", "1.25")).read_clamp == 2047


def test_the_digest_tells_specs_apart_and_ignores_the_order_of_keys(tmp_path: Path) -> None:
    digests = {load_chip(name).digest for name in chip_names()}
    for key in ("wires.row_ohm", "limits.read_v", "cell.spread"):
        digests.add(load_chip(variant(tmp_path, key, "0.21")).digest)
    assert len(digests) == len(chip_names()) + 3
    path = tmp_path / "order.toml"
    found = set()
    for extra in ("a = 1\nb = 2\n", "b = 2\na = 1\n"):
        path.write_text(BENCH.replace("[afe]", extra + "\n[afe]"), "utf-8")
        found.add(load_chip(path).digest)
    assert len(found) == 1
    assert found.isdisjoint(digests)


def test_specs_cannot_be_changed() -> None:
    chip = load_chip("bench-8x16")
    with pytest.raises(ValueError, match="frozen"):
        chip.rows = 9
    assert ChipSpec(**chip.model_dump()) == chip
