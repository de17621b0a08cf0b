"""A chip's state as a file: what stays when the power goes. An uncompressed .npz without pickle."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.errors import StateError

FORMAT = 1


def save(path: Path, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes the state, whole or not at all. Raises StateError when the folder cannot be written."""
    text = json.dumps({"format": FORMAT, **meta})
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                np.savez(file, allow_pickle=False, meta=np.frombuffer(text.encode(), np.uint8), **arrays)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise StateError(f"state {path}: cannot be written: {error.strerror}") from None


def load(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """(meta, arrays). Raises StateError for a file that cannot be read or is damaged."""
    try:
        # Opened here, because np.load leaks the file it opens when that is damaged.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        meta = json.loads(arrays.pop("meta").tobytes())
        if meta["format"] != FORMAT:
            raise StateError(f"state {path}: format {meta['format']}; this version reads format {FORMAT}")
    except OSError as error:
        raise StateError(f"state {path}: cannot be read: {error.strerror or error}") from None
    except StateError:
        raise
    except Exception as error:  # a damaged archive makes numpy and zipfile raise almost anything
        raise StateError(f"state {path}: damaged, or not a state file ({error})") from None
    return meta, arrays
