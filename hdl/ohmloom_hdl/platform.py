"""The controller on a board: clock, reset, pads."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import product

from amaranth import ClockDomain, ClockSignal, Const, Instance, Module, ResetSignal, Signal
from amaranth.build import Attrs, Pins, Resource, Subsignal
from amaranth.hdl import Elaboratable
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.vendor import LatticePlatform, SiliconBluePlatform

from ohmloom.errors import ArgumentError
from ohmloom.spec import ChipSpec
from ohmloom_boards import Board
from ohmloom_hdl.pads import BUSES, AfePads, PadPins
from ohmloom_hdl.top import Controller

# Block RAM of an iCE40 reads as zeros for some microseconds after configuration
# (https://github.com/YosysHQ/icestorm/issues/76); five times what was seen.
RESET_S = 15e-6
INPUTS = ("adc_sdo", "over_current")


def create_platform(board: Board):
    """The board's platform of amaranth-boards, with the front end's pins as resource `afe`.

    Raises ArgumentError for one whose FPGA is neither an iCE40 UltraPlus nor an ECP5.
    """
    module, name = board.platform.split(":")
    platform = getattr(import_module(module), name)()
    if is_ice40(platform) and platform.device == "iCE40UP5K":
        plain, pulled = Attrs(IO_STANDARD="SB_LVCMOS"), Attrs(IO_STANDARD="SB_LVCMOS", PULLUP=1)
    elif isinstance(platform, LatticePlatform) and platform.device.startswith("LFE5U"):
        plain, pulled = Attrs(IO_TYPE="LVCMOS33", DRIVE="4"), Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")
    else:
        raise ArgumentError(f"{board.title}: no support for its FPGA {platform.device}; known are iCE40UP5K and LFE5U")
    # Inputs are pulled up: a front end that is not there has an over-current.
    signals = [
        Subsignal(signal, Pins(pins, dir="i" if is_input else "o", conn=connector), pulled if is_input else plain)
        for signal, (connector, pins) in board.afe.items()
        for is_input in [signal in INPUTS]
    ]
    platform.add_resources([Resource("afe", 0, *signals)])
    platform.add_resources(
        [Resource("level", index, Pins(pin, dir="o"), plain) for index, pin in enumerate(board.levels)]
    )
    return platform


def is_ice40(platform) -> bool:
    return isinstance(platform, SiliconBluePlatform)


def check_pins(spec: ChipSpec, board: Board) -> None:
    """Raises ArgumentError for a chip that has more lines than the board has pins for."""
    for name, width in _widths(spec).items():
        wired = len(board.afe[name][1].split())
        if width > wired:
            raise ArgumentError(
                f"{board.title} has {wired} pins for {name}, chip {spec.name} needs {width}; "
                f"build its chip {board.chip}, or give a board with more pins"
            )


class Top(Elaboratable):
    """The controller of a chip on a board that has the pins for it (`check_pins`). rom: see `Controller`."""

    def __init__(self, spec: ChipSpec, board: Board, rom: Sequence[int]) -> None:
        self._spec, self._board, self._rom = spec, board, rom

    def elaborate(self, platform):
        m = Module()
        spec = self._spec
        ice40 = is_ice40(platform)
        m.domains.sync = ClockDomain()
        m.submodules.clock = ClockGenerator(self._board.clock, spec.controller.clock_hz)
        m.submodules.controller = controller = Controller(spec, rom=self._rom, spram=ice40)

        uart = platform.request("uart", self._board.uart, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [controller.rx.eq(rx.i), tx.o.eq(controller.tx)]

        ports = platform.request("afe", 0, dir="-")
        widths = _widths(spec)
        pads = {name: getattr(ports, name)[:width] for name, width in widths.items()}
        if ice40:
            _cell_pads(m, controller.pins, pads)
        else:
            _plain_pads(m, spec, controller.pins, pads)
        if self._rom:
            _flash_pads(m, controller.flash, platform.request(self._board.flash, 0, dir="-"), ice40)
        for index, level in enumerate(self._board.levels.values()):
            m.submodules[f"level{index}"] = buffer = io.Buffer("o", platform.request("level", index, dir="-"))
            m.d.comb += buffer.o.eq(level)
        return m


def _flash_pads(m: Module, pins, ports, ice40: bool) -> None:
    """Registers drive them. An ECP5's flash has its clock from the configuration logic; write protection and hold stay off."""
    outputs = {"cs": ~pins.select_n, "copi": pins.mosi, "wp": Const(0), "hold": Const(0)}
    if ice40:
        outputs["clk"] = pins.sclk
    else:
        m.submodules.flash_clock = Instance("USRMCLK", i_USRMCLKI=pins.sclk, i_USRMCLKTS=Const(0))
    for name, value in outputs.items():
        m.submodules[f"flash_{name}"] = buffer = io.Buffer("o", getattr(ports, name))
        m.d.comb += buffer.o.eq(value)
    m.submodules.flash_cipo = cipo = io.Buffer("i", ports.cipo)
    m.d.comb += pins.miso.eq(cipo.i)


def _widths(spec: ChipSpec) -> dict[str, int]:
    """Lines of each signal of the front end."""
    return {name: len(Signal(member.shape)) for name, member in PadPins(spec).members.items()}


def _cell_pads(m: Module, pins, pads) -> None:
    """Registers in the I/O cells of an iCE40, which are free: an output shows the cycle before, as `AfePads` does."""

    def output(name, value, kind=io.FFBuffer):
        m.submodules[name] = buffer = kind("o", pads[name])
        m.d.comb += buffer.o.eq(value)
        return buffer

    for bus in BUSES:
        port = getattr(pins, bus)
        m.submodules[f"{bus}_sclk"] = clock = io.DDRBuffer("o", pads[f"{bus}_sclk"])
        m.d.comb += [clock.o[0].eq(port.clock_high), clock.o[1].eq(port.clock_low)]
        output(f"{bus}_sync_n", port.select_n)
        output(f"{bus}_din", port.data)
    output("switch_reset_n", pins.switch_reset_n)
    output("pulse_gate", pins.pulse_gate)
    m.submodules.adc_sdo = sdo = io.FFBuffer("i", pads["adc_sdo"])
    m.submodules.over_current = over_current = io.Buffer("i", pads["over_current"])
    m.d.comb += [pins.sdo.eq(sdo.i), pins.over_current.eq(over_current.i)]


def _plain_pads(m: Module, spec: ChipSpec, pins, pads) -> None:
    """Registers in logic, whose delay is the same on any FPGA."""
    m.submodules.pads = logic = AfePads(spec)
    wiring.connect(m, pins, logic.afe)
    for name, port in pads.items():
        direction = "i" if name in INPUTS else "o"
        m.submodules[name] = buffer = io.Buffer(direction, port)
        m.d.comb += getattr(logic, name).eq(buffer.i) if direction == "i" else buffer.o.eq(getattr(logic, name))


class ClockGenerator(Elaboratable):
    """Drives domain `sync` with `clock_hz` from the platform's clock `source`; it is in reset until RESET_S after the PLL has locked.

    Raises ArgumentError for a rate that the PLL cannot make exactly.
    """

    def __init__(self, source: str, clock_hz: int) -> None:
        self._source, self._clock_hz = source, clock_hz

    def elaborate(self, platform):
        m = Module()
        resource = platform.lookup(self._source)
        source_hz = round(resource.clock.frequency)
        clock, locked, settled = Signal(), Signal(), Signal()
        port = platform.request(self._source, dir="-")
        m.domains.start = ClockDomain(reset_less=True, local=True)
        m.d.comb += [ClockSignal().eq(clock), ClockSignal("start").eq(clock)]
        if source_hz == self._clock_hz:
            m.submodules.pin = pin = io.Buffer("i", port)
            m.d.comb += [clock.eq(pin.i), locked.eq(1)]
        elif is_ice40(platform):
            m.submodules.pll = _ice40_pll(port, clock, locked, source_hz, self._clock_hz)
        else:
            m.submodules.pin = pin = io.Buffer("i", port)
            m.submodules.pll = _ecp5_pll(pin.i, clock, locked, source_hz, self._clock_hz)

        cycles = round(RESET_S * self._clock_hz)
        m.submodules.settled = FFSynchronizer(locked, settled, o_domain="start")
        waited, ready = Signal(range(cycles + 1)), Signal()
        with m.If(~settled):
            m.d.start += [waited.eq(0), ready.eq(0)]
        with m.Elif(waited == cycles):
            m.d.start += ready.eq(1)
        with m.Else():
            m.d.start += waited.eq(waited + 1)
        m.d.comb += ResetSignal().eq(~ready)
        return m


@dataclass(frozen=True)
class Ice40Pll:
    """Dividers as SB_PLL40 has them."""

    divr: int
    divf: int
    divq: int
    filter_range: int

    @classmethod
    def of(cls, source_hz: int, clock_hz: int) -> "Ice40Pll":
        """From Lattice FPGA-TN-02052: 10..133 MHz at the phase detector, 533..1066 MHz in the oscillator."""
        for divr, divq in product(range(16), range(1, 7)):
            detector_hz = source_hz / (divr + 1)
            divf, rest = divmod((clock_hz << divq) * (divr + 1), source_hz)
            if not rest and 1 <= divf <= 128 and 10e6 <= detector_hz <= 133e6 and 533e6 <= clock_hz << divq <= 1066e6:
                limits_hz = (17e6, 26e6, 44e6, 66e6, 101e6)
                return cls(divr, divf - 1, divq, 1 + sum(detector_hz >= limit for limit in limits_hz))
        raise ArgumentError(f"the iCE40's PLL cannot make {clock_hz} Hz of {source_hz} Hz; change controller.clock_hz")


def _ice40_pll(port, clock, locked, source_hz: int, clock_hz: int) -> Instance:
    pll = Ice40Pll.of(source_hz, clock_hz)
    return Instance(
        "SB_PLL40_PAD",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=Const(pll.divr, 4),
        p_DIVF=Const(pll.divf, 7),
        p_DIVQ=Const(pll.divq, 3),
        p_FILTER_RANGE=Const(pll.filter_range, 3),
        i_PACKAGEPIN=port.io,
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )


@dataclass(frozen=True)
class Ecp5Pll:
    """Dividers as EHXPLLL has them: the clock is CLKOS, the feedback CLKOP."""

    input: int
    feedback: int
    primary: int
    secondary: int

    @classmethod
    def of(cls, source_hz: int, clock_hz: int) -> "Ecp5Pll":
        """From Lattice FPGA-DS-02012: at least 3.125 MHz at the phase detector, 400..800 MHz in the oscillator."""
        for divider, feedback, secondary in product(range(1, 17), range(1, 81), range(1, 129)):
            oscillator_hz = clock_hz * secondary
            primary, rest = divmod(oscillator_hz * divider, source_hz * feedback)
            if not rest and 1 <= primary <= 128 and source_hz >= 3.125e6 * divider and 400e6 <= oscillator_hz <= 800e6:
                return cls(divider, feedback, primary, secondary)
        raise ArgumentError(f"the ECP5's PLL cannot make {clock_hz} Hz of {source_hz} Hz; change controller.clock_hz")


def _ecp5_pll(source, clock, locked, source_hz: int, clock_hz: int) -> Instance:
    pll = Ecp5Pll.of(source_hz, clock_hz)
    feedback = Signal()
    return Instance(
        "EHXPLLL",
        p_CLKI_DIV=pll.input,
        p_CLKFB_DIV=pll.feedback,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_DIV=pll.primary,
        p_CLKOP_CPHASE=pll.primary - 1,
        p_CLKOS_ENABLE="ENABLED",
        p_CLKOS_DIV=pll.secondary,
        p_CLKOS_CPHASE=pll.secondary - 1,
        p_FEEDBK_PATH="CLKOP",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        i_CLKI=source,
        i_CLKFB=feedback,
        i_RST=Const(0),
        i_STDBY=Const(0),
        o_CLKOP=feedback,
        o_CLKOS=clock,
        o_LOCK=locked,
    )
