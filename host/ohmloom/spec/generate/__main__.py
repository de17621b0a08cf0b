"""The command: write the generated files, or check those that are committed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ohmloom.spec.generate.outputs import generate

CHECKOUT = Path(__file__).resolve().parents[4]


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 good; 1 when --check finds a difference; 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m ohmloom.spec.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the files that differ")
    parser.add_argument("--root", type=Path, default=CHECKOUT, help="folder of the checkout (default: this one)")
    options = parser.parse_args(arguments)
    if not (options.root / "host" / "ohmloom").is_dir():
        parser.error(f"{options.root} is not a checkout of ohmloom")
    differing = [
        (path, text)
        for path, text in generate().items()
        if not (options.root / path).is_file() or (options.root / path).read_text("utf-8") != text
    ]
    for path, text in differing:
        if options.check:
            print(f"{path} differs from a fresh generation; run python -m ohmloom.spec.generate", file=sys.stderr)
        else:
            (options.root / path).parent.mkdir(parents=True, exist_ok=True)
            (options.root / path).write_text(text, "utf-8")
            print(f"wrote {path}")
    return int(options.check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
