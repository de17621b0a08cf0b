"""Arrays in files: .npy, or .csv with one line a row."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import typer
from numpy.typing import NDArray

from ohmloom.errors import ArgumentError

ENDINGS = (".npy", ".csv")


def array_ending(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"{path}: a name that ends in {' or '.join(ENDINGS)} is wanted")
    return path


def existing_folder(path: Path | None) -> Path | None:
    """Callback of options for files to write: no job shall end in a file that cannot be written."""
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"{path}: there is no folder {path.parent}")
    return path


def _output(path: Path | None) -> Path | None:
    return existing_folder(array_ending(path))


InputFile = Annotated[
    Path, typer.Argument(metavar="FILE", callback=array_ending, help="Array: .npy or .csv (one line a row).")
]
OutputFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", callback=_output, help="Write to this .npy or .csv file."),
]


def read_array(path: Path) -> NDArray[Any]:
    """The array in a file; an empty field of a .csv is NaN.

    Raises OSError, and ArgumentError when the file holds something else than numbers.
    """
    import numpy as np

    try:
        if path.suffix.lower() == ".csv":
            if not path.read_text("utf-8-sig").strip():
                raise ValueError("it is empty")
            return np.loadtxt(path, delimiter=",", ndmin=2, encoding="utf-8-sig", converters=_number)
        with path.open("rb") as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ArgumentError(f"{path}: not an array of numbers ({error})") from None
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{path}: numbers wanted, given an array of {array.dtype}")
    return array


def _number(field: str) -> float:
    return float(field) if field.strip() else float("nan")


def write_array(path: Path, array: NDArray[Any], header: tuple[str, ...] = ()) -> None:
    """Writes an array of at most two dimensions. header: names of the columns, for .csv."""
    import numpy as np

    if path.suffix.lower() == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if header:
                writer.writerow(header)
            writer.writerows(np.atleast_2d(array).tolist())
    else:
        with path.open("wb") as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
