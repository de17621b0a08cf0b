"""What CALIBRATE and SELFTEST expect of the reference row, in integers."""

from __future__ import annotations

from math import ceil

from ohmloom.spec import arithmetic
from ohmloom.spec.chip import ChipSpec

REFERENCE_BITS = 16  # of reference_code's fraction
OFFSET_BOUND = 64 << arithmetic.FRACTION_BITS  # 1/16 codes
GAIN_BOUND = 15 * arithmetic.GAIN_ONE // 100
REFERENCE_BOUND_PERCENT = 15
# A probe's noise is about 0.04 codes a column: on twice 128 codes that is a gain error of 2e-4.
SURE_CODES = 128


def reference_code(spec: ChipSpec, tia_range: int) -> int:
    """Raw code, in 1/65536, of a column whose reference resistor is driven at the read clamp, by the parts' nominal values."""
    current_a = spec.read_clamp * spec.row_dac.lsb_v / spec.afe.reference_ohm
    return round(current_a * spec.afe.tia_ohm[tia_range] / spec.column_adc.lsb_v * (1 << REFERENCE_BITS))


def calibration_probes(spec: ChipSpec, tia_range: int) -> int:
    """Probes of either sign that measure a range's gains: so many that their codes times the root of them come to SURE_CODES."""
    return ceil((SURE_CODES * (1 << REFERENCE_BITS) / reference_code(spec, tia_range)) ** 2)


def reference_q4(spec: ChipSpec, tia_range: int) -> int:
    """`reference_code` in 1/16 codes, rounded (halves up): what a corrected sum of 16 samples is compared with."""
    shift = REFERENCE_BITS - arithmetic.FRACTION_BITS
    return (reference_code(spec, tia_range) + (1 << (shift - 1))) >> shift
