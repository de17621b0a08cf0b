"""Ties a `FabricBench` to the pins of a running simulation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import cocotb
from cocotb.triggers import Event, Timer, ValueChange
from cocotb.types import LogicArray
from cocotb.utils import get_sim_time
from fabric_bench import FabricBench
from parts import Violation

from ohmloom.spec import ChipSpec
from ohmloom_emulator.fabric import Fabric


def clock_period_ps(spec: ChipSpec) -> int:
    """Of the controller's clock: even, and not shorter than the real one."""
    return 2 * -(-(10**12) // (2 * spec.controller.clock_hz))


def attach(dut: Any, fabric: Fabric, prefix: str = "") -> FabricBench:
    """Models of the parts at the `AfePads` pins of `dut`, named with `prefix`; a violated time fails the test."""

    def pin(name: str) -> Any:
        return getattr(dut, f"{prefix}{name}")

    sdo, over_current = _Line(pin("adc_sdo"), fabric.spec.afe.column_adcs), _Line(pin("over_current"), 1)
    bench = FabricBench(fabric, sdo.drive, over_current.drive)
    over_current.drive(0, 0)
    cocotb.start_soon(sdo.run())
    cocotb.start_soon(over_current.run())
    for bus, part, data in (
        ("row_dac", bench.rows, bench.rows.din),
        ("rail_dac", bench.rails, bench.rails.din),
        ("switch", bench.switches, bench.switches.din),
    ):
        _watch(pin(f"{bus}_sclk"), part.sclk)
        _watch(pin(f"{bus}_sync_n"), part.sync_n)
        _watch(pin(f"{bus}_din"), data)
    _watch(pin("adc_sclk"), bench.adcs.sclk)
    _watch(pin("adc_sync_n"), bench.adcs.cs_n)
    _watch(pin("adc_din"), bench.adcs.sdi)
    _watch(pin("switch_reset_n"), bench.switches.reset_n)
    _watch(pin("pulse_gate"), bench.pulse_gate)
    return bench


def _watch(handle: Any, told: Callable[[int, int], None]) -> None:
    async def watch() -> None:
        change = ValueChange(handle)
        await Timer(1, "step")  # no pin is undefined after the events of time 0
        last = int(handle.value)
        while True:
            await change
            if not handle.value.is_resolvable:
                raise Violation(f"{handle._name} is {handle.value}")
            value = int(handle.value)
            if value != last:
                last = value
                told(value, int(get_sim_time("ps")))

    cocotb.start_soon(watch())


class _Line:
    """Values of a pin at times to come, which are given in order."""

    def __init__(self, handle: Any, bits: int) -> None:
        self._handle, self._undefined = handle, LogicArray("X" * bits)
        self._coming: deque[tuple[int | None, int]] = deque()
        self._more = Event()

    def drive(self, value: int | None, time_ps: int) -> None:
        self._coming.append((value, time_ps))
        self._more.set()

    async def run(self) -> None:
        self._handle.value = self._undefined
        while True:
            while self._coming:
                value, time_ps = self._coming.popleft()
                if (delay_ps := time_ps - int(get_sim_time("ps"))) > 0:
                    await Timer(delay_ps, "ps")
                self._handle.value = self._undefined if value is None else value
            self._more.clear()
            await self._more.wait()
