"""Writes everything that follows from the spec: the register module, the C header and the reference pages.

`python -m ohmloom.spec.generate` in a checkout writes the files; with `--check` it names those that differ and exits 1.
"""

from ohmloom.spec.generate.outputs import generate

__all__ = ["generate"]
