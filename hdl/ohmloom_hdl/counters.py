"""Counters that may be loaded, with one logic cell a bit on an iCE40."""

from typing import Literal

from amaranth import Mux, Value, ValueLike


def loaded_or_counted(counter: Value, by: Literal[1, -1], load: Value, value: ValueLike) -> Value:
    """`value` with `load`, else the counter one more or less.

    What is added is no constant but says whether there is a load, so that sum and choice are of the same four inputs: a LUT's.
    """
    ones = (~load).replicate(len(counter))
    return Mux(load, value, (counter - ones if by == 1 else counter + ones)[: len(counter)])
