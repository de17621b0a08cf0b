"""How to wire a board's connectors to the parts of a chip's front end: pages of docs/boards, from the board's data.

python -m ohmloom_boards.wiring [--check] [FOLDER]
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ohmloom.spec import ChipSpec, load_chip
from ohmloom.spec.switches import Rail, SwitchMap
from ohmloom_boards.board import Board, board, board_names

FOLDER = Path("docs/boards")

# Bus lines of the board and the parts' pins: AD5628 Rev. J, SLAS605C (ADS7953), ADG714 Rev. E.
_BUSES = {
    "row_dac": {"sclk": "SCLK", "sync_n": "SYNC", "din": "DIN"},
    "rail_dac": {"sclk": "SCLK", "sync_n": "SYNC", "din": "DIN"},
    "adc": {"sclk": "SCLK", "sync_n": "CS", "din": "SDI", "sdo": "SDO"},
    "switch": {"sclk": "SCLK", "sync_n": "SYNC", "din": "DIN"},
}
_FIXED = (
    ("R", "VDD", "5 V"),
    ("R, W", "LDAC, CLR", "VDD: updates come by command only"),
    ("R, W", "VREFIN/VREFOUT", "100 nF to ground; the reference inside is switched on by command"),
    ("W", "VDD", "5 V, of which the write rails come"),
    ("C", "VBD", "3.3 V, the logic's level"),
    ("C", "VA", "5 V"),
    ("C", "REFP, REFM", "2.5 V reference, ground"),
    ("C", "MXO", "AINP"),
    ("S", "VDD", "5 V"),
    ("R, W, C, S", "ground pins", "ground, joined with the board's"),
    ("pulse gate", "control", "10 kohm to ground: off while the FPGA is not configured"),
    ("S", "RESET", "10 kohm to ground: all switches open while the FPGA is not configured"),
    (
        "over-current comparator",
        "output",
        "3.3 V, push-pull; where there is none the board's pull-up says over-current",
    ),
)
_RAILS = {
    Rail.SET: "columns, while SET pulses are applied",
    Rail.RESET: "rows, while RESET pulses are applied",
    Rail.GATE: "word lines while writing",
    Rail.READ_GATE: "word lines while reading",
}


def page(name: str) -> str:
    """The page of a board with its own chip, in Markdown."""
    layout = board(name)
    spec = load_chip(layout.chip)
    sections = (
        _board(layout, spec),
        _fixed(),
        _converters(spec),
        _rails(),
        _switches(spec),
    )
    lines = [
        f"# {layout.title} with {spec.name}",
        "",
        "Generated from the board's file and the chip spec by `python -m ohmloom_boards.wiring`.",
        "",
        f"{spec.summary[0].upper()}{spec.summary[1:]}. `ohmloom build --board {name} --output DIR` makes the bitstream.",
        "The board's pins are 3.3 V: the parts take that at a supply of 5 V, and what drives the board must not go beyond.",
        "",
        *(f"- {note}" for note in layout.notes),
    ]
    for section in sections:
        lines += ["", *section]
    return "\n".join(lines) + "\n"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _all(letter: str, count: int) -> list[str]:
    return [f"{letter}{index}" for index in range(count)]


def _board(layout: Board, spec: ChipSpec) -> Iterator[str]:
    chains = [f"S{chain}.0" for chain in range(SwitchMap(spec).chains)]
    parts = {
        "row_dac": _all("R", spec.afe.row_dacs),
        "rail_dac": ["W"],
        "adc": _all("C", spec.afe.column_adcs),
        "switch": chains,
    }
    names = {
        "row_dac": spec.row_dac.name, "rail_dac": spec.rail_dac.name,
        "adc": spec.column_adc.name, "switch": spec.switch.name,
    }  # fmt: skip
    yield "## From the board"
    yield ""
    yield (
        f"R are the row DACs ({names['row_dac']}), W is the rail DAC ({names['rail_dac']}), C are the column ADCs "
        f"({names['adc']}), S the switches ({names['switch']}), S2.0 the first part of chain 2."
    )
    yield ""
    rows = []
    for bus, lines in _BUSES.items():
        for line, pin in lines.items():
            signal = f"{bus}_{line}"
            own = line == "sdo" or (line == "din" and bus != "adc")  # a line for each part
            everything = parts[bus][0] if len(parts[bus]) == 1 else f"all {parts[bus][0][0]}"
            targets = parts[bus] if own else [everything]
            rows += [
                (where, f"`{signal}{f'[{index}]' if len(targets) > 1 else ''}`", target, pin)
                for index, (where, target) in enumerate(zip(_pins(layout, signal), targets, strict=False))
            ]
    rows += [
        (_pins(layout, "switch_reset_n")[0], "`switch_reset_n`", "all S", "RESET"),
        (_pins(layout, "pulse_gate")[0], "`pulse_gate`", "pulse gate", "control; high lets the rail through"),
        (_pins(layout, "over_current")[0], "`over_current`", "over-current comparator", "output; high above the limit"),
    ]
    yield from _table(("board", "signal", "part", "pin"), rows)


def _pins(layout: Board, signal: str) -> list[str]:
    connector, pins = layout.afe[signal]
    label = layout.connector_labels.get(connector, "")
    return [f"{label} {layout.pin_labels.get(pin, f'pin {pin}')}".strip() for pin in pins.split()]


def _fixed() -> Iterator[str]:
    yield "## Supplies and fixed pins"
    yield ""
    yield from _table(("part", "pin", "to"), _FIXED)


def _converters(spec: ChipSpec) -> Iterator[str]:
    dac, adc = spec.row_dac, spec.column_adc
    yield "## Rows and columns"
    yield ""
    yield "A row's DAC drives the row of every tile that is switched to it; an ADC's input comes from every tile's TIA."
    yield ""
    outputs = [f"VOUT{chr(ord('A') + channel)}" for channel in range(dac.channels)]
    yield from _table(("part", *outputs), _spread("R", "row", spec.afe.row_dacs, dac.channels, spec.rows))
    yield ""
    inputs = [f"CH{channel}" for channel in range(adc.channels)]
    yield from _table(("part", *inputs), _spread("C", "column", spec.afe.column_adcs, adc.channels, spec.columns))


def _spread(letter: str, line: str, parts: int, channels: int, lines: int) -> Iterator[list[str]]:
    """Line n is channel n // parts of part n mod parts."""
    for part in range(parts):
        numbers = [channel * parts + part for channel in range(channels)]
        yield [f"{letter}{part}", *(f"{line} {number}" if number < lines else "" for number in numbers)]


def _rails() -> Iterator[str]:
    yield "## Write rails"
    yield ""
    rows = [(f"W VOUT{chr(ord('A') + rail)}", rail.name, use) for rail, use in _RAILS.items()]
    yield from _table(("output", "rail", "buffered, to"), rows)


def _switches(spec: ChipSpec) -> Iterator[str]:
    switches = SwitchMap(spec)
    yield "## Switch chains"
    yield ""
    yield (
        f"{switches.chains} chains of {switches.parts} parts: chain n switches tile n, chain {spec.tiles} writing. In each, "
        "DOUT of part S*n*.*k* goes to DIN of S*n*.*k+1*. A bit that is shifted in first goes farthest, and to S8 of its part."
    )
    for title, fields in (("Chains of tiles", switches.tile), (f"Chain {spec.tiles}: writing", switches.write)):
        use = [""] * switches.bits
        for field in fields.values():
            for bit in range(field.width):
                use[field.first + bit] = field.name + (f" {bit}" if field.width > 1 else "")
        yield ""
        yield f"### {title}"
        yield ""
        number = "*n*" if fields is switches.tile else str(spec.tiles)
        per_part = spec.switch.channels
        rows = []
        for part in range(switches.parts):
            first = (switches.parts - 1 - part) * per_part
            rows.append([f"S{number}.{part}", *reversed(use[first : first + per_part])])
        yield from _table(("part", *(f"S{channel}" for channel in range(1, per_part + 1))), rows)
    yield ""
    yield "What each of them does is told in `ohmloom.spec.switches`. Numbers of several bits have bit 0 lowest."


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check compare them."""
    check = "--check" in arguments
    folder = Path(next((argument for argument in arguments if not argument.startswith("-")), FOLDER))
    different = [name for name in board_names() if check and _read(folder / f"{name}.md") != page(name)]
    for name in () if check else board_names():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.md").write_text(page(name), "utf-8")
    for name in different:
        print(f"{folder / name}.md is not what its board says: run python -m ohmloom_boards.wiring", file=sys.stderr)
    return bool(different)


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
