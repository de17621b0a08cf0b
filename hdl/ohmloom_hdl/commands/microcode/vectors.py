"""MVM, ROUTE and INFER: their codes are looked at before the engine sees them."""

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import INFER, MVM, ROUTE, Command
from ohmloom_hdl.commands.isa import Program
from ohmloom_hdl.commands.microcode.common import below, counter, scalars
from ohmloom_hdl.commands.ports import OutPort
from ohmloom_hdl.interfaces import STAGE_NUMBER, JobKind, stage_layout

STAGE_BYTES = 5
SATURATIONS = "saturations"


def handlers(p: Program, spec: ChipSpec) -> dict[Command, str]:
    return {MVM: "mvm", INFER: "infer", ROUTE: "route"}


def routines(p: Program, spec: ChipSpec) -> None:
    _mvm(p, spec)
    _infer(p, spec)
    _run(p)
    _check_codes(p, spec)
    _route(p, spec)
    _fields(p, spec)
    _bit(p)


def _mvm(p: Program, spec: ChipSpec) -> None:
    p.label("mvm")
    p.call("require untripped")
    scalars(p, MVM)
    p.call("count codes")
    p.get_8()
    below(p, spec.tiles, "bad address")
    p.store("tile")
    p.output(OutPort.TILE)
    p.get_8()
    below(p, len(spec.afe.tia_ohm), "bad value")
    p.output(OutPort.TIA_RANGE)
    p.copy("width", spec.rows)
    p.output(OutPort.ROWS)
    p.call("check codes")
    _limit_items(p, spec.columns, (spec.link.payload_bytes - MVM.answer.header_bytes) * 2 // 3)
    # Routed, when this tile is the first of the route.
    p.output(OutPort.ROUTED, 0)
    p.load("stages")
    p.or_(0)
    plain = p.fresh()
    p.jump_z(plain)
    p.load("first stage's tile")
    p.compare("tile")
    p.jump_nz(plain)
    p.output(OutPort.ROUTED, 1)
    p.output(OutPort.STAGES, "stages")
    for stage in reversed(_stages(spec)):  # older ones may be of a longer route before
        p.output(OutPort.STAGE, stage)
    p.label(plain)
    # 12 bits an item
    p.load("items")
    p.add("items")
    p.add("items")
    p.add(1)
    p.shift_right()
    p.add(MVM.answer.header_bytes)
    p.store("answer length")
    p.copy("kind", JobKind.MVM.value)
    p.jump("run vectors")


def _infer(p: Program, spec: ChipSpec) -> None:
    p.label("infer")
    p.call("require untripped")
    scalars(p, INFER)
    p.call("count codes")
    p.call("validate network")
    p.load("network state")
    p.compare("network valid")
    p.jump_nz("no network")
    p.output(OutPort.READ_AT, "payload")
    for port, name in ((OutPort.INPUTS, "inputs"), (OutPort.OUTPUTS, "outputs"), (OutPort.STEPS, "steps")):
        p.output(port, name)
    p.copy("width", "inputs")
    p.call("check codes")
    _limit_items(p, "outputs", (spec.link.payload_bytes - INFER.answer.header_bytes) // 2)
    p.load("items")
    p.add("items")
    p.add(INFER.answer.header_bytes)
    p.store("answer length")
    p.copy("kind", JobKind.INFER.value)
    p.jump("run vectors")


def _limit_items(p: Program, width: int | str, most: int) -> None:
    """items = count * width, or a refusal when the answer would not fit."""
    p.copy("factor", width)
    p.load("count")
    p.call("count items")
    p.compare(most + 1)
    p.jump_nc("refuse too long")


def _run(p: Program) -> None:
    p.label("run vectors")
    p.load("kind")
    p.call("run job")
    p.output(OutPort.READ_AT, "answer")  # of both it is the first word
    p.get_16()
    p.store("saturated")
    p.or_(0)
    p.jump_z("vectors done")
    p.load(counter(SATURATIONS, 0))
    p.or_(counter(SATURATIONS, 1))
    p.jump_nz("saturation logged")
    p.copy("event low", "saturated")
    p.copy("event high", 0)
    p.call("log saturated")
    p.label("saturation logged")
    p.load(counter(SATURATIONS, 0))
    p.add("saturated")
    p.store(counter(SATURATIONS, 0))
    p.load(counter(SATURATIONS, 1))
    p.add_c(0)
    p.store(counter(SATURATIONS, 1))
    p.label("vectors done")
    p.load("answer")
    p.add("answer length")
    p.output(OutPort.WRITE_AT)
    p.jump("finish")


def _check_codes(p: Program, spec: ChipSpec) -> None:
    """From P: count, then codes. Refuses unless there are count x `width` of them, all within the read clamp."""
    p.label("check codes")
    p.get_16()
    p.store("count")
    p.output(OutPort.COUNT)
    p.copy("factor", "width")
    p.load("count")
    p.call("multiply")
    p.load("product high")
    p.or_(0)
    p.jump_nz("wrong count")
    p.load("product low")
    p.compare("codes")
    p.jump_nz("wrong count")
    p.load("codes")
    p.or_(0)
    p.jump_z("wrong count")
    # The codes end where the payload ends.
    p.load("payload")
    p.add("length")
    p.subtract("rest")
    p.store("codes at")
    p.output(OutPort.READ_AT)
    p.copy("left", "codes")
    p.label("check code")
    p.get_code()
    p.jump_n("check negative code")
    p.compare(spec.read_clamp + 1)
    p.jump_nc("code beyond clamp")
    p.label("code is good")
    p.load("left")
    p.subtract(1)
    p.store("left")
    p.jump_nz("check code")
    p.return_()
    p.label("check negative code")
    p.add(spec.read_clamp)
    p.jump_n("code beyond clamp")
    p.jump("code is good")
    p.label("wrong count")
    p.load("codes")
    p.jump("bad length")

    # The first of the largest codes is what a refusal names.
    p.label("code beyond clamp")
    p.output(OutPort.READ_AT, "codes at")
    p.copy("left", "codes")
    p.copy("largest", 0)
    p.copy("worst", 0)
    p.label("measure code")
    p.get_code()
    p.store("code")
    p.jump_n("measure negative")
    p.label("measured")
    p.store("size")
    p.load("largest")
    p.compare("size")
    p.jump_nc("not larger")
    p.copy("largest", "size")
    p.copy("worst", "code")
    p.label("not larger")
    p.call("count down")
    p.jump_nz("measure code")
    p.load("worst")
    p.jump("bad signed code")
    p.label("measure negative")
    p.load(0)
    p.subtract("code")
    p.jump("measured")


def _route(p: Program, spec: ChipSpec) -> None:
    p.label("route")
    scalars(p, ROUTE)
    p.copy("new stages", 0)
    p.load("rest")
    p.label("count stages")
    p.or_(0)
    p.jump_z("stages counted")
    p.subtract(STAGE_BYTES)
    p.jump_c("bad payload")
    p.store("rest")
    p.load("new stages")
    p.add(1)
    p.store("new stages")
    p.load("rest")
    p.jump("count stages")
    p.label("stages counted")
    p.load("new stages")
    p.compare(1)
    p.jump_z("bad value")
    # The first pass refuses, the second takes over.
    for checking in (True, False):
        p.output(OutPort.READ_AT, "payload")
        p.copy("left", "new stages")
        p.copy("stage number", 0)
        p.copy("tiles seen", 0)
        p.copy("tile twice", 0)
        p.label(f"stage {checking}")
        p.load("left")
        p.subtract(1)
        p.jump_c(f"stages done {checking}")
        p.store("left")
        p.call("stage's fields")
        if checking:
            _note_tile(p)
        else:
            _take_stage(p, spec)
        p.jump(f"stage {checking}")
        p.label(f"stages done {checking}")
        if checking:
            p.load("tile twice")
            p.or_(0)
            p.load("new stages")
            p.jump_nz("bad value")
    p.copy("stages", "new stages")
    p.jump("finish")


def _fields(p: Program, spec: ChipSpec) -> None:
    p.label("stage's fields")
    for name, limit, otherwise in (
        ("tile", spec.tiles, "bad address"),
        ("range", len(spec.afe.tia_ohm), "bad value"),
        ("attenuator", len(spec.afe.attenuations), "bad value"),
    ):
        p.get_8()
        below(p, limit, otherwise)
        p.store(f"stage {name}")
    for name in ("relu", "bias"):
        p.get_8()
        p.store(f"stage {name}")
    p.return_()


def _note_tile(p: Program) -> None:
    """A tile cannot drive itself: tile twice collects the bits of tiles that came again."""
    p.load("stage tile")
    p.call("bit of tile")
    p.load("tiles seen")
    p.and_("tile bit")
    p.or_("tile twice")
    p.store("tile twice")
    p.load("tiles seen")
    p.or_("tile bit")
    p.store("tiles seen")


def _bit(p: Program) -> None:
    p.label("bit of tile")  # tile bit = 1 << A
    p.store("size")
    p.copy("tile bit", 1)
    p.label("shift tile bit")
    p.load("size")
    p.subtract(1)
    done = p.fresh()
    p.jump_c(done)
    p.store("size")
    p.load("tile bit")
    p.add("tile bit")
    p.store("tile bit")
    p.jump("shift tile bit")
    p.label(done)
    p.return_()


def _stages(spec: ChipSpec) -> list[str]:
    """Registers with the stages that were given, the last one first."""
    return [f"stage given {number} before" for number in range(spec.tiles)]


def _take_stage(p: Program, spec: ChipSpec) -> None:
    fields, stages = stage_layout(spec), _stages(spec)
    first = p.fresh()
    p.load("stage number")
    p.or_(0)
    p.jump_nz(first)
    p.copy("first stage's tile", "stage tile")
    p.label(first)
    p.copy("packed", 0)
    # From the last field down, each shifted in above the others.
    names = {"tia_range": "stage range"}
    for key, field in sorted(fields, key=lambda item: -item[1].offset):
        for _ in range(field.width):
            p.load("packed")
            p.add("packed")
            p.store("packed")
        name = names.get(key, f"stage {key}")
        if field.width == 1 and key in ("relu", "bias"):  # any number but 0 is on
            off = p.fresh()
            p.load(name)
            p.or_(0)
            p.jump_z(off)
            p.load("packed")
            p.or_(1)
            p.store("packed")
            p.label(off)
        else:
            p.load("packed")
            p.or_(name)
            p.store("packed")
    for older, newer in reversed(list(zip(stages[1:], stages, strict=False))):
        p.copy(older, newer)
    p.load("packed")
    p.or_("stage number")
    p.store(stages[0])
    p.load("stage number")
    p.add(1 << STAGE_NUMBER)
    p.store("stage number")
