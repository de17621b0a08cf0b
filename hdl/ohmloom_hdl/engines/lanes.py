"""What computes on codes and keeps them for two vectors at once: its signature, and which of two makes a chip gets."""

from amaranth import signed
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.interfaces import CODE, index_bits

LANES = 2  # vectors whose steps are interleaved
WORD = 16


class Use(enum.Enum, shape=3):
    """What is done with a word, at the accumulator or code `index` of `lane`."""

    LOAD = 0  # a code of the vector
    CLEAR = 1  # accumulator becomes 0
    OFFSET = 2  # of the column that has code `raw`
    GAIN = 3  # of that column, which now is added to the accumulator, or subtracted if `odd`
    SHIFT = 4  # of the layer, in the upper byte; precedes all words of a step
    SCALE = 5  # of the layer
    LOW = 6  # lower half of a bias
    HIGH = 7  # upper half; accumulator and bias become a code, or an output


class LanesPort(wiring.Signature):
    """Words come with their use. `index`, `lane`, `raw`, `odd`, `rectify` and `output` belong to the word.

    `code` is the code at `index` in the cycle before, when no word is being worked on. `result` is the output made last, until the
    next word that is no GAIN; `idle`: all words have had their effect. rectify: negative sums become 0; output: results are
    clipped to 16 bits and not stored, else to the read clamp and stored as codes.

    Lanes that take a word in every cycle also know `final`, with GAIN of an odd column: it is the last one of its accumulator, which
    becomes a code; and with HIGH. HIGH without it adds the bias to the accumulator only, or begins with it if `fresh`.
    """

    def __init__(self, spec: ChipSpec) -> None:
        super().__init__(
            {
                "words": Out(stream.Signature(data.StructLayout({"use": Use, "data": WORD}))),
                "lane": Out(1),
                "index": Out(index_bits(spec.controller.width)),
                "raw": Out(signed(CODE)),
                "odd": Out(1),
                "rectify": Out(1),
                "output": Out(1),
                "final": Out(1),
                "fresh": Out(1),
                "code": In(signed(CODE)),
                "result": In(WORD),
                "idle": In(1),
            }
        )
