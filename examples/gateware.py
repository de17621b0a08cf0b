"""The gateware in your hands: one program on the emulated controller and on the compiled gateware, the same bytes and time, and its waves.

    python examples/gateware.py [FILE.vcd]

Needs the extra `hdl` (pip install "ohmloom[hdl]") and a C++ compiler. The first run compiles the gateware, which takes some minutes; later
ones find it in the cache. FILE.vcd opens in GTKWave or Surfer: all wires of the gateware while it executes one MVM.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import ohmloom
from ohmloom.replay.against import compare

file = Path(sys.argv[1] if len(sys.argv) > 1 else "mvm.vcd")
CHIP = "bench-8x16?seed=3"
TILE, WAVES_US = 0, 300


def job(name: str, chip: ohmloom.Chip) -> tuple[list[int], int]:
    """Forms and programs one row, and multiplies by it: the products, and the fabric's time in ns."""
    target = np.full((chip.spec.rows, chip.spec.columns), np.nan)  # NaN leaves a cell alone
    target[0] = np.linspace(2e-6, 38e-6, chip.spec.columns)
    report = chip.program_conductance(TILE, target)
    codes = np.zeros(chip.spec.rows, dtype=int)
    codes[0] = chip.spec.read_clamp
    products, time_ns = chip.mvm(TILE, codes).tolist(), round(1e9 * chip.fabric_time_s)
    print(f"{name}: {report.pulses.sum()} pulses, {chip.link_bytes} bytes on the line, {time_ns} ns of fabric time")
    return products, time_ns


with tempfile.TemporaryDirectory() as folder:
    recording = Path(folder) / "emu.jsonl"
    with ohmloom.record(f"emu://{CHIP}", recording) as chip:
        emulated = job("emu", chip)
    with ohmloom.connect(f"rtl://{CHIP}") as chip:
        real = job("rtl", chip)
    # What was sent to the emulated controller, byte for byte to the gateware, whose answers have to be those that were recorded.
    difference = compare(recording, f"rtl://{CHIP}")
if real != emulated or difference:
    sys.exit(f"the gateware does otherwise than the emulated controller: {difference or (emulated, real)}")
print(f"products {real[0]}\nthe same products, the same fabric time, the same bytes in all answers")

with ohmloom.connect(f"rtl://{CHIP}", waves=file, trigger="MVM", to_us=WAVES_US) as chip:
    chip.mvm(TILE, np.zeros(chip.spec.rows, dtype=int))
print(f"waves: {WAVES_US} us from an MVM's arrival on, {file.stat().st_size / 1e6:.1f} MB in {file}")
