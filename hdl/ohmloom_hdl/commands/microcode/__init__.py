"""The command processor's program. One file a group of commands; every limit in it comes from the chip spec.

A handler begins with the pointers at the request's and the answer's payload, and ends with a jump to `finish`, with Q behind the
answer, or to a refusal. The checks stand in the order of `ohmloom_emulator.controller.controller`, so that a request that
is wrong in two ways gets the same error.
"""

from ohmloom.spec import ChipSpec
from ohmloom_hdl.commands.isa import Program
from ohmloom_hdl.commands.microcode import cells, common, events, memories, network, registers, vectors


def microcode(spec: ChipSpec, *, emulated: bool, fill: bool) -> Program:
    """The program for a chip; fill: it begins with giving the memory its content.

    Raises ValueError when the chip is beyond what the processor's numbers can hold.
    """
    if spec.tiles > 16:
        raise ValueError(f"{spec.tiles} tiles; the command processor numbers at most 16")
    program = Program()
    handlers = {
        **registers.handlers(program, spec),
        **memories.handlers(program, spec),
        **vectors.handlers(program, spec),
        **cells.handlers(program, spec),
        **events.handlers(program, spec, emulated),
    }
    if fill:
        memories.fill(program, spec)
    common.main(program, {command.code: name for command, name in handlers.items()})
    common.arithmetic(program)
    registers.routines(program, spec)
    memories.routines(program, spec)
    vectors.routines(program, spec)
    network.routines(program, spec)
    cells.routines(program, spec)
    events.routines(program, spec, emulated)
    return program
