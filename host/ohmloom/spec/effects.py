"""The causes of error that an emulated fabric can leave out, one by one."""

from __future__ import annotations

from enum import StrEnum


class Effect(StrEnum):
    SPREAD = "spread"  # devices differ, and so does one device from pulse to pulse
    STUCK = "stuck"
    RELAXATION = "relaxation"
    READ_NOISE = "read_noise"
    WIRES = "wires"  # wire, driver and sense resistance
    DAC = "dac"  # offset and gain of row DACs
    TIA = "tia"  # offset, gain and noise of column amplifiers
    ADC = "adc"  # noise of the converter; its quantisation always stays


ALL_EFFECTS = frozenset(Effect)
