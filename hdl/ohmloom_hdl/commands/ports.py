"""The command processor's ports to the blocks around it."""

from enum import IntEnum


class InPort(IntEnum):
    TYPE = 0  # of the request
    LENGTH = 1
    PAYLOAD = 2  # byte offset of the request's payload in the store
    ANSWER = 3  # and of its answer's
    STATE = 4  # bits of `State`
    EMULATION = 5  # a byte of the emulated fabric's answer; 0x100 while there is none
    COUNTERS = 6  # and on: events of each of `COUNTERS` since it was read last


class State(IntEnum):
    """Bits of InPort.STATE."""

    CAUSE = 0  # three bits, as in register trip_cause
    ARMED = 3
    BUSY = 4  # an engine works on a job
    REQUEST = 5  # the link has one


class OutPort(IntEnum):
    """What belongs to different kinds of jobs has one port: a job's fields, and what is set in an engine (`SETTINGS`)."""

    READ_AT = 0  # P
    WRITE_AT = 1  # Q
    FINISH = 2  # answer type; ends the request, whose answer ends at Q
    SAFETY = 3  # strobes, bits of `SafetyStrobe`
    EMULATION = 4  # a byte for the emulated fabric
    STAGES = 5
    STAGE = 6
    START = 7  # kind of the job: the engine takes it with the fields below
    TILE = 8
    ROW = 9
    COUNT = 10
    WIDTH_LOW = COUNT
    ROWS = 11
    WIDTH_HIGH = ROWS
    INPUTS = 12
    RAIL = INPUTS
    OUTPUTS = 13
    GATE = OUTPUTS
    COLUMN = 14
    STEPS = COLUMN
    SAMPLES = COLUMN
    TIA_RANGE = COLUMN
    RESET = 15
    ROUTED = RESET


class SafetyStrobe(IntEnum):
    TRIP = 1
    CLEAR = 2
    ARM = 4
    DISARM = 8
    FORM_BEGIN = 16
    FORM_END = 32


COUNTERS = ("frames_good", "frames_bad", "naks", "repeats", "pulses", "drives")
