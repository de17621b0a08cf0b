"""What firmware answers: calibration, self-test, I-V sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ohmloom.conformance.check import Skip, check, equal, expect
from ohmloom.conformance.device import Device
from ohmloom.errors import ChipError
from ohmloom.spec.commands import CALIBRATE, IV, SELFTEST, Command, ErrorCode

RESIDUAL_CODES = 4  # that calibration leaves on the reference row


def _ask(device: Device, command: Command, **values: Any) -> dict[str, Any]:
    try:
        return device.ask(command, **values)
    except ChipError as error:
        if error.code == ErrorCode.NO_FIRMWARE:
            raise Skip("no firmware is running") from None
        raise


@check()
def calibration(device: Device) -> None:
    """CALIBRATE corrects all columns of each tile, and names no tile that there is not"""
    device.memory_changed = True
    for tile in range(device.spec.tiles):
        report = _ask(device, CALIBRATE, tile=tile)
        equal(report["failed"], 0, f"columns of tile {tile} out of bounds")
        expect(
            report["residual_max"] <= 16 * RESIDUAL_CODES, f"tile {tile}: {report['residual_max'] / 16} codes are left"
        )
    equal(device.refusal(CALIBRATE, tile=device.spec.tiles), ErrorCode.BAD_ADDRESS, "CALIBRATE of no tile")


@check()
def selftest(device: Device) -> None:
    """SELFTEST finds nothing wrong"""
    findings = _ask(device, SELFTEST)["findings"]
    equal(findings.size, 0, f"findings {findings.tolist()}")


@check()
def sweep(device: Device) -> None:
    """IV answers a code for each row code, within the read clamp; currents follow the voltage's sign"""
    spec = device.spec
    clamp = spec.read_clamp
    where = {"tile": device.tile, "row": 0, "column": 0, "range": spec.verify_range}
    codes = np.array([-clamp, 0, clamp])
    found = _ask(device, IV, **where, codes=codes)["codes"].astype(np.int64)
    equal(found.size, 3, "points")
    expect(found[0] <= found[2] + 16 * RESIDUAL_CODES, f"codes {found} at row codes {codes}")
    for changes, wanted in (
        ({"tile": spec.tiles}, ErrorCode.BAD_ADDRESS),
        ({"row": spec.rows}, ErrorCode.BAD_ADDRESS),
        ({"column": spec.columns}, ErrorCode.BAD_ADDRESS),
        ({"range": len(spec.afe.tia_ohm)}, ErrorCode.BAD_VALUE),
        ({"codes": [clamp + 1]}, ErrorCode.BAD_CODE),
        ({"codes": []}, ErrorCode.BAD_LENGTH),
    ):
        equal(device.refusal(IV, **{**where, "codes": codes, **changes}), wanted, f"IV with {changes}")
