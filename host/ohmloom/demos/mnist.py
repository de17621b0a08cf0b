"""MNIST in its publisher's files (LeCun, Cortes and Burges, yann.lecun.com/exdb/mnist): IDX format, gzip."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmloom.demos.files import data_file
from ohmloom.errors import Error

FOLDER, SIDE = "mnist", 28
TRAIN = 8000  # of the 10,000 test images, where the 60,000 training images are not at hand
SOURCE = (
    "MNIST's gzipped IDX files, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz and perhaps their train- twins"
)

Bytes = NDArray[np.uint8]


def mnist(root: Path | None) -> tuple[Bytes, Bytes, Bytes, Bytes, str]:
    """Training images (n, 28, 28) and labels, test images and labels, and a note where the protocol is another.

    Raises Error when the files are missing or hold something else.
    """
    folder = data_file(root, FOLDER, SOURCE)
    images, labels = _part(folder, "t10k")
    if (folder / "train-images-idx3-ubyte.gz").exists():
        return *_part(folder, "train"), images, labels, ""
    if len(images) <= TRAIN:
        raise Error(f"{folder}: {len(images)} test images and no training images; more than {TRAIN} wanted")
    rest = len(images) - TRAIN
    note = f"no training images in {folder.name}: trained on the first {TRAIN} test images, tested on the other {rest}"
    return images[:TRAIN], labels[:TRAIN], images[TRAIN:], labels[TRAIN:], note


def _part(folder: Path, part: str) -> tuple[Bytes, Bytes]:
    images, labels = (
        read_idx(data_file(folder, f"{part}-{kind}-ubyte.gz", SOURCE)) for kind in ("images-idx3", "labels-idx1")
    )
    if images.shape != (len(labels), SIDE, SIDE):
        raise Error(
            f"{folder}: {part} has images {images.shape} and labels {labels.shape}; images of {SIDE} x {SIDE} wanted, "
            f"with a label each"
        )
    return images, labels


def read_idx(path: Path) -> Bytes:
    """Unsigned bytes of a gzipped IDX file: two 0 bytes, type 8, the number of dimensions, each as big-endian uint32.

    Raises Error for another content.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Error(f"{path}: {error}") from None
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise Error(f"{path}: not an IDX file of unsigned bytes")
    shape = np.frombuffer(content, ">u4", content[3], 4).astype(int)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
    if len(values) != shape.prod():
        raise Error(f"{path}: {len(values)} values, its header says {tuple(shape)}")
    return values.reshape(shape)
