"""Where data are found: in the folder that the user names, laid out as published, or in installed packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmloom.errors import Error


def data_file(folder: Path | None, name: str, source: str) -> Path:
    """A file or folder in the user's data folder. source: what it is and where it comes from.

    Raises Error, with the layout, when no folder was given or it is not there.
    """
    if folder is None:
        raise Error(f"{source} wanted: give the folder that holds {name} with --data DIR")
    if not (folder / name).exists():
        raise Error(f"{folder / name} is missing: --data DIR wants {name} in DIR, {source}")
    return folder / name


def time_series(problem: str, folder: Path | None) -> list[tuple[list[NDArray[np.float64]], NDArray[np.str_]]]:
    """(series, labels) of the training and the test part of a problem of the UCR and UEA archives.

    A series is (channels, length). Taken from the data folder, or else from the copy in the package aeon, which is not
    imported: that would take seconds and much that the data do not need. Raises Error when neither has it.
    """
    places = [] if folder is None else [folder / problem]
    package = find_spec("aeon")
    if package is not None:
        places += [Path(place) / "datasets" / "data" / problem for place in package.submodule_search_locations or ()]
    for place in places:
        if (place / f"{problem}_TRAIN.ts").exists():
            return [read_ts(place / f"{problem}_{part}.ts") for part in ("TRAIN", "TEST")]
    raise Error(
        f"{problem} comes with the package aeon: pip install 'ohmloom[demos]' (for its data alone, pip install "
        f"--no-deps aeon), or give --data DIR with {problem}/{problem}_TRAIN.ts and {problem}_TEST.ts in DIR"
    )


def read_ts(path: Path) -> tuple[list[NDArray[np.float64]], NDArray[np.str_]]:
    """Series, (channels, length) each, and labels (series,) of a .ts file without time stamps.

    A line after @data is a series: channels between colons, values between commas, the label last; see
    timeseriesclassification.com.
    Raises Error for a file of another form.
    """
    text = path.read_text("utf-8")
    header, found, body = text.partition("@data")
    if not found or "@timestamps true" in header.lower():
        raise Error(f"{path}: a .ts file with @data and without time stamps wanted")
    series, labels = [], []
    for line in filter(None, map(str.strip, body.splitlines())):
        *channels, label = line.split(":")
        try:
            series.append(np.array([np.array(channel.split(","), dtype=np.float64) for channel in channels]))
        except ValueError as error:
            raise Error(f"{path}: series {len(series)}: {error}") from None
        labels.append(label)
    return series, np.array(labels)
