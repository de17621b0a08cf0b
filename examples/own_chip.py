"""A chip of your own: own_chip.toml describes it, and this multiplies a matrix of either sign on it and compares with numpy.

    python examples/own_chip.py [URL]

Change array size, wires, converters or cells in own_chip.toml and run again. A board with your chip takes the same file as its spec.
"""

import sys
from pathlib import Path

import numpy as np

import ohmloom

SPEC_FILE = Path(__file__).with_name("own_chip.toml")
TOLERANCE_SIEMENS = 0.5e-6  # of write-verify: a finer one costs pulses
url = sys.argv[1] if len(sys.argv) > 1 else f"emu://{SPEC_FILE}?seed=1"

spec = ohmloom.load_chip(SPEC_FILE)
rng = np.random.default_rng(0)
matrix = rng.uniform(-1.0, 1.0, (spec.rows, spec.pairs))
vectors = rng.uniform(-1.0, 1.0, (200, spec.rows))

with ohmloom.connect(url, spec=spec) as chip:
    print(f"{spec.name}: {spec.tiles} tile(s) of {spec.rows} x {spec.columns} {spec.cell.model} cells")
    print(f"a conductance is read in steps of {spec.siemens_per_code(spec.verify_range) * 1e9:.0f} nS")

    # A matrix is a network of one layer without activation; the compiler makes conductances and scales of it.
    layer = ohmloom.Layer(matrix, np.zeros(spec.pairs), "none")
    network = ohmloom.compile(ohmloom.Model((layer,), "regression"), spec, vectors)
    report = chip.program(network, tolerance_siemens=TOLERANCE_SIEMENS)
    print(
        f"{report.selected.sum()} cells programmed, {report.converged_fraction:.1%} converged, {report.pulses_per_cell:.1f} pulses each"
    )

    products = chip.infer(vectors)

wanted = vectors @ matrix
error = np.sqrt(np.mean((products - wanted) ** 2)) / wanted.std()
print(f"numpy: {np.array2string(wanted[0, :6], precision=2)} ...")
print(f"chip:  {np.array2string(products[0, :6], precision=2)} ...")
print(f"error: {error:.2%} rms of the products' spread")
