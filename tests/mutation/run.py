"""The mutation check: puts each deliberate fault into a copy of the tree and runs the test that has to find it.

    python -m tests.mutation.run            all faults
    python -m tests.mutation.run WORD ...   those with a word in their names

Ends with 1 when a fault was not found. That the tests pass without a fault is `make test`'s part.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

from .faults import FAULTS, HDL, TESTS, Fault

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("host", "emulator", "hdl", "tests", "pyproject.toml")
FAILED = 1  # pytest's exit code when tests were run and some failed
TIMEOUT_S = 120


def main(words: list[str]) -> int:
    faults = [fault for fault in FAULTS if not words or any(word in fault.name for word in words)]
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        trees: Queue[Path] = Queue()
        workers = os.cpu_count() or 1
        for worker in range(workers):
            trees.put(_copy(Path(folder) / str(worker)))

        def check(fault: Fault) -> tuple[Fault, bool, float]:
            tree = trees.get()
            begin = time.monotonic()
            try:
                return fault, _finds(tree, fault), time.monotonic() - begin
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(workers) as pool:
            for fault, found, seconds in pool.map(check, faults):
                print(f"{'found' if found else 'MISSED'}  {seconds:5.1f} s  {fault.file}: {fault.name}", flush=True)
                if not found:
                    missed.append(fault)
    for fault in missed:
        print(f"not found by {TESTS / fault.test}: {fault.name}", file=sys.stderr)
    print(f"{len(faults) - len(missed)} of {len(faults)} faults found")
    return int(bool(missed))


def _copy(tree: Path) -> Path:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    return tree


@contextmanager
def _applied(fault: Fault, tree: Path) -> Iterator[None]:
    path = tree / HDL / fault.file
    text = path.read_text()
    if text.count(fault.old) != 1:
        raise SystemExit(
            f"{fault.file} has {text.count(fault.old)} times, not once, what {fault.name!r} changes: {fault.old}"
        )
    path.write_text(text.replace(fault.old, fault.new))
    try:
        yield
    finally:
        path.write_text(text)


def _finds(tree: Path, fault: Fault) -> bool:
    """Whether the test runs and fails with the fault in the tree; an error before it does not count."""
    sources = [str(tree / name) for name in ("host", "emulator", "hdl")]
    # No bytecode: its times are too coarse to tell a fault from the text before it.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sources), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--timeout={TIMEOUT_S}"]
    command.append(str(TESTS / fault.test))
    with _applied(fault, tree):
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == FAILED and f"FAILED {TESTS / fault.test}" in done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
