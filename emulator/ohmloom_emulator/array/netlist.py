"""SPICE netlists of crossbars (the dialect of ngspice, which reads `ngspice -b file`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .blocks import Array


def linear_netlist(
    conductance: Array, v_rows: Array, r_row: float, r_column: float, r_driver: float, r_sense: float
) -> str:
    """Netlist of a crossbar of linear cells, its drives and its senses; prints `i(vsense0)`, `i(vsense1)`, ..."""
    cells = (
        f"Rcell{i}_{j} {{row}} {{column}} {1.0 / g!r}" if g > 0 else ""
        for i, line in enumerate(conductance.tolist())
        for j, g in enumerate(line)
    )
    return crossbar_netlist(cells, conductance.shape, v_rows, r_row, r_column, r_driver, r_sense)


def crossbar_netlist(
    cells: Iterator[str],
    shape: tuple[int, ...],
    v_rows: Array,
    r_row: float,
    r_column: float,
    r_driver: float,
    r_sense: float,
) -> str:
    """Netlist of a crossbar whose `cells` are given, row after row, as element lines in `{row}` and `{column}`.

    Wires without resistance are made by giving both ends one name: SPICE turns a resistor of 0 ohm into a small one.
    """
    rows, columns = shape
    lines = [f"crossbar of {rows} rows x {columns} columns"]

    def wire(name: str, start: str, end: str, ohm: float) -> str:
        """Name of the end, after a resistor from `start` to it where there is resistance."""
        if ohm == 0:
            return start
        lines.append(f"R{name} {start} {end} {ohm!r}")
        return end

    bottom = []
    for j in range(columns):
        lines.append(f"Vsense{j} s{j} 0 0")
        node = wire(f"sense{j}", f"s{j}", f"c{rows - 1}_{j}", r_sense)
        up = [node]
        for i in range(rows - 2, -1, -1):
            node = wire(f"column{i}_{j}", node, f"c{i}_{j}", r_column)
            up.append(node)
        bottom.append(up[::-1])
    for i, volts in enumerate(v_rows.tolist()):
        lines.append(f"Vdrive{i} d{i} 0 {volts!r}")
        node = wire(f"driver{i}", f"d{i}", f"r{i}_0", r_driver)
        for j in range(columns):
            if j:
                node = wire(f"row{i}_{j}", node, f"r{i}_{j}", r_row)
            lines.append(next(cells).format(row=node, column=bottom[j][i]))
    lines += [".control", "set numdgt=12", "op"]
    lines += [f"print i(vsense{j})" for j in range(columns)]
    lines += ["quit", ".endc", ".end"]
    return "\n".join(line for line in lines if line) + "\n"
