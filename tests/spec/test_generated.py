"""The committed generated files, and what firmware, host and gateware read in them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ohmloom.spec import commands, network, policy, registers
from ohmloom.spec.generate import generate
from ohmloom.spec.generate.__main__ import main

ROOT = Path(__file__).parents[2]
HEADER = ROOT / "firmware" / "include" / "ohmloom.h"


def test_committed_files_are_a_fresh_generation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_generation_is_deterministic() -> None:
    assert generate() == generate()


def test_check_names_exactly_the_files_that_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "host" / "ohmloom").mkdir(parents=True)
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--root", str(tmp_path), "--check"]) == 0
    capsys.readouterr()
    (tmp_path / "docs/reference/chips.md").write_text("old", "utf-8")
    (tmp_path / "firmware/include/ohmloom.h").unlink()
    assert main(["--root", str(tmp_path), "--check"]) == 1
    named = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert sorted(named) == ["docs/reference/chips.md", "firmware/include/ohmloom.h"]
    assert (tmp_path / "docs/reference/chips.md").read_text("utf-8") == "old"


def test_a_folder_that_is_no_checkout_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--root", str(tmp_path)])
    assert stop.value.code == 2
    assert "not a checkout" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_registers_are_those_of_the_rdl_source() -> None:
    """Names and byte addresses read from the source's text."""
    source = (ROOT / "host/ohmloom/spec/registers.rdl").read_text("utf-8")
    written = {int(address, 16) // 4: name for name, address in re.findall(r"\} (\w+) @ (0x\w+);", source)}
    assert written == {address: register.name for address, register in registers.REGISTERS.items()}


def test_registers_are_well_formed() -> None:
    for address, register in registers.REGISTERS.items():
        assert address == register.address
        assert getattr(registers, register.name.upper()) is register
        assert register.doc
        taken = 0
        for field in register.fields:
            assert field.lsb + field.width <= 32
            assert not taken & field.mask
            assert field.reset < 1 << field.width
            assert field.get(register.reset) == field.reset
            taken |= field.mask


def test_register_values_that_hosts_rely_on() -> None:
    assert registers.ID.reset.to_bytes(4, "little") == b"OMLM"
    assert registers.ARM_KEY.to_bytes(4, "big") == b"FORM"
    assert registers.TRIP_CLEAR_KEY.to_bytes(4, "big") == b"CLRT"
    assert (registers.ARM.key, registers.TRIP_CLEAR.key) == (registers.ARM_KEY, registers.TRIP_CLEAR_KEY)
    assert {register.name for register in registers.REGISTERS.values() if register.access != "r"} == {
        "trip_clear",
        "trip_set",
        "arm",
        "scratch",
    }
    assert registers.STATUS_ARMED.get(0b010) == 1
    assert registers.STATUS_ARMED.get(0b101) == 0


C_CHECKS = f"""
#include "ohmloom.h"
#define SAME(a, b) _Static_assert((a) == (b), #a)
SAME(OHMLOOM_REGISTER_STATUS, 8);
SAME(OHMLOOM_REGISTER_STATUS_NETWORK_VALID_MASK, 1u << OHMLOOM_REGISTER_STATUS_NETWORK_VALID_SHIFT);
SAME(OHMLOOM_REGISTER_CELLS_PER_PULSE, 0x5C);
SAME(OHMLOOM_REGISTER_ARM_KEY, 0x464F524D);
SAME(OHMLOOM_COMMAND_MVM | OHMLOOM_ANSWER, 0x90);
SAME(OHMLOOM_ERROR_READ_ONLY, {commands.ErrorCode.READ_ONLY.value});
SAME(OHMLOOM_CELL_CONVERGED, {commands.CellStatus.CONVERGED.value});
SAME(OHMLOOM_MEMORY_POLICY, {commands.Memory.POLICY.value});
SAME(OHMLOOM_PULSE_REQUEST_WIDTH_NS_OFFSET, 1 + 2 + 2 + 1 + 2 + 2);
SAME(OHMLOOM_PROGRAM_ANSWER_CELLS_CODE_OFFSET, 3);
SAME(OHMLOOM_ADVANCE_ANSWER_METERS_OFFSET, 8);
SAME(OHMLOOM_POLICY_BYTES, {policy.POLICY_DTYPE.itemsize});
SAME(OHMLOOM_POLICY_RESET_PULSE_NS_OFFSET, OHMLOOM_POLICY_SET_PULSE_NS_OFFSET + OHMLOOM_POLICY_DIRECTION_BYTES);
SAME(OHMLOOM_POLICY_FORM_STEP_OFFSET + 2 * OHMLOOM_POLICY_ERROR_BUCKETS, OHMLOOM_POLICY_BYTES);
SAME(OHMLOOM_STEP_BYTES, {network.STEP_DTYPE.itemsize});
_Static_assert(-1 < OHMLOOM_CODE_MAX && OHMLOOM_CODE_MIN < 0, "codes compare as signed integers");
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_header_compiles_and_says_what_the_spec_says(tmp_path: Path) -> None:
    (tmp_path / "checks.c").write_text(C_CHECKS + '#include "ohmloom.h"\n', "utf-8")
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", f"-I{HEADER.parent}"]
    done = subprocess.run([*command, str(tmp_path / "checks.c")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_header_defines_no_name_twice() -> None:
    names = re.findall(r"^#define (\w+)", HEADER.read_text("utf-8"), re.MULTILINE)
    assert len(names) == len(set(names))


def test_command_page_has_every_command_error_and_field() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    for command in commands.COMMANDS.values():
        section = page.split(f"\n## {command.name}\n")[1].split("\n## ")[0]
        assert f"`0x{command.code:02X}`, answered by {command.by}" in section
        for name, kind, doc in command.request.scalars + command.answer.scalars:
            assert re.search(rf"\| \d+ \| `{kind}` \| `{name}` \| {re.escape(doc)}", section), (command.name, name)
    for error in commands.ErrorCode:
        assert f"| {error.value} | `{error.name}` | {error.text} |" in page
