"""The command processor's ports to the blocks around it."""

from enum import IntEnum


class InPort(IntEnum):
    TYPE = 0  # of the request
    LENGTH = 1
    PAYLOAD = 2  # byte offset of the request's payload in the store
    ANSWER = 3  # and of its answer's
    STATE = 4  # bits of `State`
    SATURATED = 5  # of the last job
    WRITTEN = 6  # Q
    CRC_LOW = 7
    CRC_HIGH = 8
    EMULATION = 9  # a byte of the emulated fabric's answer; 0x100 while there is none
    COUNTERS = 10  # and on: events of each of `COUNTERS` since it was read last


class State(IntEnum):
    """Bits of InPort.STATE."""

    CAUSE = 0  # three bits, as in register trip_cause
    ARMED = 3
    BUSY = 4  # an engine works on a job
    REQUEST = 5  # the link has one


class OutPort(IntEnum):
    READ_AT = 0  # P
    WRITE_AT = 1  # Q
    LENGTH = 2  # of the answer
    FINISH = 3  # answer type; ends the request
    SAFETY = 4  # strobes, bits of `SafetyStrobe`
    CRC = 5  # a byte; bit 8 starts a new CRC-32 instead
    EMULATION = 6  # a byte for the emulated fabric
    ROUTE = 7  # number of stages
    STAGE = 8  # stage number (15:12) and the stage, as in `stage_layout`
    START = 9  # kind of the job: the engine takes it with the fields below
    TILE = 10
    ROW = 11
    COLUMN = 12
    ROWS = 13
    SAMPLES = 14
    TIA_RANGE = 15
    ROUTED = 16
    COUNT = 17
    INPUTS = 18
    OUTPUTS = 19
    STEPS = 20
    RESET = 21
    RAIL = 22
    GATE = 23
    WIDTH_LOW = 24
    WIDTH_HIGH = 25
    DATA = 26
    ANSWER = 27


class SafetyStrobe(IntEnum):
    TRIP = 1
    CLEAR = 2
    ARM = 4
    DISARM = 8
    FORM_BEGIN = 16
    FORM_END = 32


COUNTERS = ("frames_good", "frames_bad", "naks", "repeats", "pulses", "drives")
