"""Vectors through tiles: MVM and ROUTE."""

from __future__ import annotations

from typing import Any

import numpy as np

from ohmloom.conformance.check import Skip, check, equal, expect
from ohmloom.conformance.device import Device
from ohmloom.spec import registers
from ohmloom.spec.commands import MVM, ROUTE, ErrorCode

OFFSET_CODES = 64  # a working column's, uncorrected


def _mvm(device: Device, **changes: Any) -> dict[str, Any]:
    values = {"tile": device.tile, "range": 0, "count": 1, **changes}
    return {"codes": np.zeros(values["count"] * device.spec.rows, np.int64), **values}


@check()
def mvm(device: Device) -> None:
    """MVM answers a code a column and vector; no voltage gives no more than offsets; drives are counted"""
    spec, drives = device.spec, device.read(registers.DRIVES)
    done = 0
    for tile in range(spec.tiles):
        for tia_range in range(len(spec.afe.tia_ohm)):
            answer = device.ask(MVM, **_mvm(device, tile=tile, range=tia_range, count=2))
            equal(answer["codes"].size, 2 * spec.columns, "codes of two vectors")
            worst = int(np.abs(answer["codes"]).max())
            expect(worst <= OFFSET_CODES, f"tile {tile}, range {tia_range}: code {worst} without a voltage")
            equal(answer["saturated"], 0, "saturated columns")
            done += 2
    equal(device.read(registers.DRIVES), drives + done, "drives")


@check()
def read_clamp(device: Device) -> None:
    """Row codes up to the read clamp are driven, and none beyond it"""
    spec = device.spec
    for place in (0, spec.rows - 1):
        for code in (spec.read_clamp, -spec.read_clamp):
            for beyond, wanted in ((0, None), (1, ErrorCode.BAD_CODE)):
                codes = np.zeros(spec.rows, np.int64)
                codes[place] = code + beyond * np.sign(code)
                refusal = device.refusal(MVM, **_mvm(device, codes=codes))
                equal(refusal, wanted, f"row {place} at code {codes[place]}")


@check()
def mvm_limits(device: Device) -> None:
    """MVM is refused for a wrong tile, range, number of codes or too long an answer"""
    spec = device.spec
    drives = device.read(registers.DRIVES)
    most = (spec.link.payload_bytes - MVM.answer.header_bytes) * 2 // 3 // spec.columns
    for changes, wanted in (
        ({"tile": spec.tiles}, ErrorCode.BAD_ADDRESS),
        ({"tile": 255}, ErrorCode.BAD_ADDRESS),
        ({"range": len(spec.afe.tia_ohm)}, ErrorCode.BAD_VALUE),
        ({"count": 0}, ErrorCode.BAD_LENGTH),
        ({"count": 2, "codes": np.zeros(spec.rows, np.int64)}, ErrorCode.BAD_LENGTH),
        ({"codes": np.zeros(spec.rows + 1, np.int64)}, ErrorCode.BAD_LENGTH),
        ({"count": 0xFFFF, "codes": np.zeros(spec.rows, np.int64)}, ErrorCode.BAD_LENGTH),
    ):
        equal(device.refusal(MVM, **_mvm(device, **changes)), wanted, f"MVM with {changes}")
    if MVM.request.header_bytes + (most + 1) * spec.rows * 3 // 2 < spec.link.payload_bytes:
        refusal = device.refusal(MVM, **_mvm(device, count=most + 1))
        equal(refusal, ErrorCode.ANSWER_TOO_LONG, f"MVM of {most + 1} vectors")
    equal(device.read(registers.DRIVES), drives, "drives after refused MVMs")


@check()
def splitting(device: Device) -> None:
    """A batch gives as many codes as its vectors one by one, and about the same ones"""
    spec = device.spec
    codes = np.random.default_rng(3).integers(-spec.read_clamp, spec.read_clamp + 1, (4, spec.rows))
    batch = device.ask(MVM, **_mvm(device, count=2, codes=codes[:2].ravel()))["codes"].reshape(2, -1)
    single = np.stack([device.ask(MVM, **_mvm(device, codes=each))["codes"] for each in codes[:2]])
    worst = int(np.abs(batch.astype(np.int64) - single).max())
    expect(worst <= OFFSET_CODES, f"a batch differs by {worst} codes from its vectors one by one")


@check()
def routes(device: Device) -> None:
    """Tiles are chained by ROUTE, which is refused for what cannot be chained; without stages all is as before"""
    spec = device.spec
    if spec.tiles < 2:
        raise Skip("the chip has one tile")
    first, second = (0, 0, 0, 1, 0), (1, 0, 0, 0, 1)
    ranges, attenuations = len(spec.afe.tia_ohm), len(spec.afe.attenuations)
    for stages, wanted in (
        ([first], ErrorCode.BAD_VALUE),
        ([first, first], ErrorCode.BAD_VALUE),
        ([first, second, first], ErrorCode.BAD_VALUE),
        ([(spec.tiles, 0, 0, 0, 0), second], ErrorCode.BAD_ADDRESS),
        ([(0, ranges, 0, 0, 0), second], ErrorCode.BAD_VALUE),
        ([(0, 0, attenuations, 0, 0), second], ErrorCode.BAD_VALUE),
    ):
        equal(device.refusal(ROUTE, stages=stages), wanted, f"route {stages}")
    device.ask(ROUTE, stages=[first, second])
    equal(device.ask(MVM, **_mvm(device, tile=0))["codes"].size, spec.columns, "codes of a routed vector")
    equal(device.refusal(ROUTE, stages=[first]), ErrorCode.BAD_VALUE, "a route of one stage")
    device.ask(ROUTE, stages=[])
    equal(device.ask(MVM, **_mvm(device, tile=0))["codes"].size, spec.columns, "codes without a route")
