"""The analog front end behind the gateware's pins: models of the parts, and the emulator's fabric as the array."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from parts import Ad5628, Adg714Chains, Ads7953, Violation
from parts.pins import LONG_AGO, PS_PER_NS, Pin, at_least

from ohmloom.spec.commands import Polarity
from ohmloom.spec.switches import Rail, SwitchMap
from ohmloom_emulator.fabric import Fabric, Stage
from ohmloom_twin.switch_state import Chain, Window, Write, decode

PS_PER_S = 10**12
# The comparator's response, either way: between one and two clock cycles, as `ohmloom.spec.chip.OVER_CURRENT_CYCLES` has it.
COMPARATOR_NS = 75


class FabricBench:
    """Edges of pins in, events of the fabric out.

    A drive is one event: select or route, then the row codes, when its first settled sample is taken. Samples before the
    array has settled are worth nothing, as the ADC's first two of each drive are, and cause no event. A pulse lasts whole
    cycles of the controller's clock.

    drive_sdo(value, time_ps): None where SDO is undefined. set_over_current(level, time_ps): the pin. Both are told before
    the time, and in order.
    """

    def __init__(
        self,
        fabric: Fabric,
        drive_sdo: Callable[[int | None, int], None],
        set_over_current: Callable[[int | None, int], None],
        *,
        seed: int = 0,
    ) -> None:
        spec = fabric.spec
        self.spec, self.fabric, self._rng = spec, fabric, random.Random(seed)
        self._set_over_current = set_over_current
        switches = SwitchMap(spec)
        self.rows = Ad5628(spec.row_dac, spec.afe.row_dacs, self._rows_updated)
        self.rails = Ad5628(spec.rail_dac, 1, self._rails_updated)
        self.switches = Adg714Chains(spec.switch, switches.chains, switches.parts, self._latched)
        self.adcs = Ads7953(spec.column_adc, spec.afe.column_adcs, self._sample, drive_sdo)
        self.state: Window | Chain | Write | None = None
        self._changed_ps = self._rails_ps = LONG_AGO  # last change of rows or switches, and of rails
        self._driven = False  # the fabric has had what rows and switches show now
        self._gate = Pin(0)
        self._written: Write | None = None  # by the pulse under way
        self.drives: list[
            tuple[Window | Chain, int, int]
        ] = []  # with the times, in ps, of what began it and its first sample
        self.samples = 0
        self.pulses: list[tuple[Write, int]] = []  # with the width, in ns

    # Row DACs and switches

    def row_codes(self) -> list[int]:
        """Signed codes of all rows. Raises Violation while a reference is off."""
        codes = []
        for row in range(self.spec.rows):
            channel, dac = divmod(row, self.spec.afe.row_dacs)
            outputs = self.rows.codes[dac]
            if outputs is None:
                raise Violation(f"row {row}: its DAC's reference is off")
            codes.append(outputs[channel] - (1 << (self.spec.row_dac.bits - 1)))
        return codes

    def _rows_updated(self, now_ps: int) -> None:
        self._changed_ps, self._driven = now_ps, False

    def _rails_updated(self, now_ps: int) -> None:
        self._rails_ps = now_ps
        if self._gate.level:
            raise Violation("the rail DAC was updated within a pulse")

    def _latched(self, now_ps: int) -> None:
        self.state = decode(self.spec, self.switches.closed)
        self._changed_ps, self._driven = now_ps, False
        if self.state is None:
            return
        if self._gate.level:
            raise Violation("switches were changed within a pulse")
        beyond = [code for code in self.row_codes() if abs(code) > self.spec.read_clamp]
        if beyond or self.rails.codes[0] is None:
            raise Violation(f"switches were closed with row codes {beyond} and rails {self.rails.codes[0]}")

    # Conversions

    def _sample(self, channel: int, now_ps: int) -> list[int]:
        spec, adcs = self.spec, self.spec.afe.column_adcs
        codes = [self._rng.randrange(1 << spec.column_adc.bits) for _ in range(adcs)]
        columns = np.arange(channel * adcs, min((channel + 1) * adcs, spec.columns))
        if not isinstance(self.state, Window | Chain) or not columns.size or not self._settled(now_ps):
            return codes
        if not self._driven:
            self._drive()
            self.drives.append((self.state, self._changed_ps, now_ps))
        raw, saturated = self.fabric.sample(columns)
        self.samples += 1
        middle = 1 << (spec.column_adc.bits - 1)
        for adc, (code, at_end) in enumerate(zip(middle - raw[0], saturated[0], strict=True)):
            codes[adc] = 0 if at_end and code == 1 else int(code)  # both of the ADC's last codes are raw 2047
        return codes

    def _settled(self, now_ps: int) -> bool:
        stages = len(self.state.stages) if isinstance(self.state, Chain) else 1
        settle_ns = self.spec.settle_ns + (stages - 1) * self.spec.afe.stage_settle_ns
        return now_ps - self._changed_ps >= settle_ns * PS_PER_NS

    def _drive(self) -> None:
        codes, state, fabric = self.row_codes(), self.state, self.fabric
        if isinstance(state, Window):
            fabric.select(state.tile, state.row, state.rows, state.tia_range)
            first = 0 if state.row == fabric.reference_row else state.row  # the reference row hangs on the first driver
            driven = codes[first : first + state.rows]
        else:
            fabric.route([
                Stage(stage.tile, stage.tia_range, stage.attenuator, bool(stage.relu), bool(stage.bias))
                for stage in state.stages
            ])  # fmt: skip
            driven = codes
        if any(abs(code) > self.spec.read_clamp for code in driven):
            raise Violation(f"row codes beyond the read clamp, {self.spec.read_clamp}: {driven}")
        fabric.drive(np.array([driven], dtype=np.int64))
        self._driven = True

    # Pulses

    def pulse_gate(self, level: int, now_ps: int) -> None:
        """An edge of the pulse gate."""
        spec, before_ps = self.spec, self._gate.fell_ps
        self._gate.set(level, now_ps)
        if level:
            if not isinstance(self.state, Write):
                raise Violation(f"the pulse gate opened on {self.state}")
            at_least(now_ps - self._rails_ps, spec.rail_settle_ns, "rails' update to the pulse")
            at_least(now_ps - self._changed_ps, spec.rail_settle_ns, "switches' change to the pulse")
            self._written = self.state
            current_a = self.fabric.pulse_current_a(**self._write(self._written))
            if current_a > spec.limits.over_current_a:
                self._set_over_current(1, now_ps + COMPARATOR_NS * PS_PER_NS)
            return
        self._set_over_current(0, now_ps + COMPARATOR_NS * PS_PER_NS)
        cycles = round((now_ps - self._gate.rose_ps) * spec.controller.clock_hz / PS_PER_S)
        width_ns = (2 * cycles * 10**9 + spec.controller.clock_hz) // (2 * spec.controller.clock_hz)
        if width_ns > spec.pulse_width_ns(spec.limits.form_pulse_ns):
            raise Violation(f"a pulse of {width_ns} ns, longer than any may be")
        at_least(self._gate.rose_ps - before_ps, width_ns * (1 / spec.limits.duty - 1), "rest before a pulse")
        # A trip opens the switches with the gate, so what is written was decided when it opened.
        self.fabric.pulse(width_ns=width_ns, **self._write(self._written))
        self.pulses.append((self._written, width_ns))

    def _write(self, state: Write) -> dict[str, Any]:
        rails = self.rails.codes[0]
        assert rails is not None
        return {
            "tile": state.tile,
            "row": state.row,
            "groups": np.array([state.columns]),
            "polarity": Polarity.RESET if state.reset else Polarity.SET,
            "rails": np.array([rails[Rail.RESET if state.reset else Rail.SET]]),
            "gate": rails[Rail.GATE],
        }
