"""The whole controller."""

from collections.abc import Sequence

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ohmloom.spec import ChipSpec
from ohmloom_hdl.afe.front_end import FrontEnd
from ohmloom_hdl.commands.processor import CommandProcessor
from ohmloom_hdl.engines.samples import SampleMemoryPort, sample_memory
from ohmloom_hdl.engines.sequencer import Sequencer
from ohmloom_hdl.engines.write_verify import WriteVerify
from ohmloom_hdl.interfaces import CODE, AfePins, AfePort, EnginePort, JobKind, SafetyControl, StorePort
from ohmloom_hdl.link.receiver import Link
from ohmloom_hdl.pads import PADS_CYCLES
from ohmloom_hdl.safety.safety import Safety
from ohmloom_hdl.soc.core import Core
from ohmloom_hdl.soc.flash import FlashPins
from ohmloom_hdl.store import Store


class Controller(wiring.Component):
    """From a serial line to the pins of the analog front end; the way of a request is the order of the submodules.

    rx, tx: the UART. emulated: an emulated fabric is at the pins; it takes ADVANCE through `to_fabric` and `from_fabric`
    (`CommandProcessor`), and sees from `executing` whether a request is being executed, from `busy` whether one waits or an answer is
    sent, from `alive` whether the firmware answers.
    spram: see `Store`. pads_cycles: see `ohmloom_hdl.pads`. rom: words of the RISC-V core's boot ROM; it has `flash`. Without
    them there is no core, and no firmware.
    """

    def __init__(
        self,
        spec: ChipSpec,
        *,
        rom: Sequence[int] = (),
        emulated: bool = False,
        spram: bool = False,
        pads_cycles: int = PADS_CYCLES,
    ) -> None:
        self.spec, self._rom, self._emulated = spec, rom, emulated
        self._spram, self._pads_cycles = spram, pads_cycles
        ports = {"rx": In(1, init=1), "tx": Out(1, init=1), "pins": Out(AfePins(spec))}
        if rom:
            ports["flash"] = Out(FlashPins())
        if emulated:
            ports["to_fabric"] = Out(stream.Signature(8, always_ready=True))
            ports["from_fabric"] = In(stream.Signature(8))
            ports["executing"] = Out(1)
            ports["busy"] = Out(1)
            ports["alive"] = Out(1)
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        spec, pins = self.spec, self.pins
        m.submodules.link = link = Link(spec, emulated=self._emulated)
        m.submodules.store = store = Store(spec, spram=self._spram)
        m.submodules.commands = commands = CommandProcessor(spec, emulated=self._emulated, fill=self._spram)
        m.submodules.sequencer = sequencer = Sequencer(spec, shared=True)
        m.submodules.write_verify = write_verify = WriteVerify(spec, shared=True)
        m.submodules.engines = engines = EngineSwitch(spec)
        m.submodules.front_end = front_end = FrontEnd(spec, self._pads_cycles)
        m.submodules.safety = safety = Safety(spec)

        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx)]
        connect(m, link.store, store.link)
        if self._rom:
            m.submodules.core = core = Core(spec, self._rom, spram=self._spram)
            m.submodules.probe_switch = probe_switch = ProbeSwitch(spec)
            connect(m, link.requests, core.link)
            connect(m, core.commands, commands.requests)
            connect(m, core.store, store.core)
            connect(m, core.flash, flipped(self.flash))
            connect(m, core.afe, probe_switch.probe)
            connect(m, engines.afe, probe_switch.engines)
            connect(m, probe_switch.afe, front_end.afe)
            m.d.comb += [
                core.tripped.eq(safety.control.tripped),
                core.cause.eq(safety.control.cause),
                core.count_cell.eq(commands.engine.count_cell),
                core.failed.eq(commands.engine.failed),
                core.cut.eq(commands.engine.cut),
                probe_switch.probing.eq(core.probing),
            ]
        else:
            connect(m, link.requests, commands.requests)
            connect(m, engines.afe, front_end.afe)
        m.d.comb += [
            commands.count_frames_good.eq(link.count_good),
            commands.count_frames_bad.eq(link.count_bad),
            commands.count_naks.eq(link.count_nak),
            commands.count_repeats.eq(link.count_repeat),
        ]
        connect(m, commands.store, store.commands)
        connect(m, commands.engine, engines.commands)
        m.d.comb += store.busy.eq(commands.engine.job.valid)
        # A register on the way, since the strobes come late in their cycle.
        for name, member in SafetyControl().members.items():
            ours, theirs = getattr(commands.safety, name), getattr(safety.control, name)
            if member.flow is Out:
                m.d.sync += theirs.eq(ours)
            else:
                m.d.comb += ours.eq(theirs)
        for engine, ports in ((sequencer, engines.sequencer), (write_verify, engines.write_verify)):
            connect(m, ports.engine, engine.engine)
            connect(m, engine.store, ports.store)
            connect(m, engine.afe, ports.afe)
            connect(m, engine.memory, ports.memory)
        connect(m, engines.store, store.engine)
        connect(m, front_end.out, safety.out)
        connect(m, front_end.adc, flipped(pins.adc))
        m.d.comb += [front_end.sdo.eq(pins.sdo), front_end.tripped.eq(safety.control.tripped)]
        for bus in ("row_dac", "rail_dac", "switch"):
            connect(m, getattr(safety, bus), flipped(getattr(pins, bus)))
        m.d.comb += [
            pins.switch_reset_n.eq(safety.switch_reset_n),
            pins.pulse_gate.eq(safety.pulse_gate),
            safety.over_current.eq(pins.over_current),
        ]
        if self._emulated:
            m.d.comb += [self.executing.eq(link.requests.valid), self.busy.eq(link.busy)]
            if self._rom:
                m.d.comb += self.alive.eq(core.alive)
            connect(m, commands.to_fabric, flipped(self.to_fabric))
            connect(m, flipped(self.from_fabric), commands.from_fabric)
        return m


class _EnginePorts(wiring.Signature):
    """What one engine is connected to."""

    def __init__(self, spec: ChipSpec) -> None:
        super().__init__(
            {
                "engine": Out(EnginePort(spec)),
                "store": In(StorePort(spec)),
                "afe": In(AfePort(spec)),
                "memory": In(SampleMemoryPort(spec)),
            }
        )


class ProbeSwitch(wiring.Component):
    """Gives the front end to the firmware's probe while it is `probing`, which is when no engine has a job."""

    def __init__(self, spec: ChipSpec) -> None:
        port = AfePort(spec)
        super().__init__({"engines": In(port), "probe": In(port), "afe": Out(port), "probing": In(1)})

    def elaborate(self, platform):
        m = Module()
        connect(m, flipped(self.engines), flipped(self.afe))
        probe, afe = self.probe, self.afe
        m.d.comb += [
            probe.drive.ready.eq(afe.drive.ready),
            probe.samples.valid.eq(afe.samples.valid),
            probe.samples.payload.eq(afe.samples.payload),
        ]
        with m.If(self.probing):
            m.d.comb += [
                self.engines.samples.valid.eq(0),
                afe.code_write.eq(probe.code_write),
                afe.code_row.eq(probe.code_row),
                afe.code.eq(probe.code),
                afe.drive.valid.eq(probe.drive.valid),
                afe.drive.payload.eq(probe.drive.payload),
            ]
        return m


class EngineSwitch(wiring.Component):
    """Hands a job to the engine that its kind belongs to, with the store, the front end and a memory for its samples for as
    long as it takes.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        ports = _EnginePorts(spec)
        super().__init__(
            {
                "commands": In(EnginePort(spec)),
                "sequencer": Out(ports),
                "write_verify": Out(ports),
                "store": Out(StorePort(spec)),
                "afe": Out(AfePort(spec)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        commands = self.commands
        vectors = Signal()
        m.d.comb += vectors.eq(
            (commands.job.payload.kind == JobKind.MVM) | (commands.job.payload.kind == JobKind.INFER)
        )
        m.submodules.samples = samples = sample_memory(self._spec)
        for chosen, ports in ((vectors, self.sequencer), (~vectors, self.write_verify)):
            # What comes back is nobody else's business, but only one may be told that it can go on.
            m.d.comb += [
                ports.engine.job.payload.eq(commands.job.payload),
                ports.engine.job.valid.eq(commands.job.valid & chosen),
                ports.engine.word.eq(commands.word),
                ports.engine.sets.eq(commands.sets),
                ports.store.ready.eq(self.store.ready & chosen),
                ports.store.data_r.eq(self.store.data_r),
                ports.afe.drive.ready.eq(self.afe.drive.ready & chosen),
                ports.afe.samples.valid.eq(self.afe.samples.valid & chosen),
                ports.afe.samples.payload.eq(self.afe.samples.payload),
                ports.afe.pulse.ready.eq(self.afe.pulse.ready),
                ports.afe.pulse_done.eq(self.afe.pulse_done),
                ports.afe.pulse_tripped.eq(self.afe.pulse_tripped),
                ports.afe.idle.eq(self.afe.idle),
                ports.memory.data_r.eq(samples.data_r),
            ]
            with m.If(chosen):
                m.d.comb += [
                    commands.job.ready.eq(ports.engine.job.ready),
                    commands.done.eq(ports.engine.done),
                    self.store.valid.eq(ports.store.valid),
                    self.store.address.eq(ports.store.address),
                    self.store.write.eq(ports.store.write),
                    self.afe.code_write.eq(ports.afe.code_write),
                    self.afe.code_row.eq(ports.afe.code_row),
                    self.afe.drive.valid.eq(ports.afe.drive.valid),
                    self.afe.drive.payload.eq(ports.afe.drive.payload),
                    samples.address_r.eq(ports.memory.address_r),
                    samples.address_w.eq(ports.memory.address_w),
                    samples.data_w.eq(ports.memory.data_w),
                    samples.write.eq(ports.memory.write),
                ]
        vector, cell = self.sequencer, self.write_verify
        # Gates are smaller than a choice: without a job an engine writes zeros.
        m.d.comb += [
            self.store.data_w.eq(vector.store.data_w | cell.store.data_w),
            self.afe.code.eq(vector.afe.code | (cell.afe.code & (~vectors).replicate(CODE)).as_signed()),
        ]
        # What only one of them has
        m.d.comb += [
            commands.saturated.eq(vector.engine.saturated),
            commands.count_drive.eq(vector.engine.count_drive),
            commands.tripped.eq(cell.engine.tripped & ~vectors),
            commands.count_pulse.eq(cell.engine.count_pulse),
            commands.count_cell.eq(cell.engine.count_cell),
            commands.failed.eq(cell.engine.failed),
            commands.cut.eq(cell.engine.cut),
            self.afe.route.eq(vector.afe.route),
            self.afe.mask_write.eq(cell.afe.mask_write),
            self.afe.mask_column.eq(cell.afe.mask_column),
            self.afe.mask.eq(cell.afe.mask),
            self.afe.pulse.valid.eq(cell.afe.pulse.valid),
            self.afe.pulse.payload.eq(cell.afe.pulse.payload),
        ]
        return m
