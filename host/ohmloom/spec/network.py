"""How a network lies in the controller's NETWORK memory: a header, then one step per drive of a tile.

A layer is one or more steps. A step drives `rows` rows of one tile from `row` on with the layer's input codes: row r gets input
`input + r mod inputs`. Every other word line is off. It converts 2 * `pairs` columns from pair `pair` on, corrects them, subtracts the
odd column of each pair from the even one and adds pair p's difference to accumulator `output + p mod outputs`. Repeated rows and
pairs thus average device errors away. The layer's last step adds BIAS, applies the activation and requantises: to row codes within
the read clamp for the next layer, or to int16 outputs for the last.

A step with ANALOG has no converter behind it: all its tile's pairs pass rectifier (RELU), attenuator (`shift` is its index) and limiter, and
pair j drives row j of the next step's tile; word lines of whole tiles are on. A run of such steps and the step after it are one drive.
The first step of the run drives rows `row` .. `row` + `rows` - 1 as above and all others at 0. A step with LEVEL has its bias row, the tile's
last, driven at code `level`; one DAC drives the bias rows of all tiles, so that it is one code in a run, and the first tile's last row has it
too. The steps after the first take what comes; the last one converts and ends as a layer's last step.

Vectors of one INFER frame are taken two by two, their steps interleaved, so that one settles while the other is converted.
"""

from __future__ import annotations

from enum import IntFlag

import numpy as np


class StepFlag(IntFlag):
    FIRST = 1  # clears the layer's accumulators
    LAST = 2  # adds bias, activates, requantises
    RELU = 4
    OUTPUT = 8  # the network's last layer
    ANALOG = 16  # this layer's pairs drive the next step's tile directly
    LEVEL = 32  # the tile's bias row, its last, is driven at row code `level`


HEADER_DTYPE = np.dtype(
    [("magic", "<u4"), ("steps", "<u2"), ("inputs", "<u2"), ("outputs", "<u2"), ("reserved", "<u2"), ("crc", "<u4")]
)
STEP_DTYPE = np.dtype(
    [
        ("flags", "u1"),
        ("tile", "u1"),
        ("range", "u1"),
        ("shift", "u1"),
        ("row", "<u2"),
        ("rows", "<u2"),
        ("pair", "<u2"),
        ("pairs", "<u2"),
        ("input", "<u2"),
        ("inputs", "<u2"),
        ("output", "<u2"),
        ("outputs", "<u2"),
        ("bias", "<u2"),
        ("scale", "<u2"),
        ("width", "<u2"),
        ("level", "<i2"),
    ]
)  # width: the layer's number of outputs
MAGIC = 0x4E4C4D4F


def network_bytes(steps: int) -> int:
    """Size of a NETWORK memory that holds that many steps."""
    return HEADER_DTYPE.itemsize + steps * STEP_DTYPE.itemsize
