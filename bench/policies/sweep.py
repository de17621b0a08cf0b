"""One key of a policy over several values: where the published policies' free numbers come from.

    python bench/policies/sweep.py ispp set.step_v 0.03 0.05 0.07 0.1
    python bench/policies/sweep.py ispp set.first_v 0.9 1.0 1.1
    python bench/policies/sweep.py radar set.step_v,reset.step_v 0.03 0.05 0.1 0.15
    python bench/policies/sweep.py fppv set.first_v --shift -- -0.05 -0.025 0 0.025 0.05
    python bench/policies/sweep.py radar set.first_v:1,reset.first_v --shift -- -0.1 -0.05 0 0.05
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from run import COSTS, COUNTS, costs, counts, program, table

from ohmloom.spec import Policy, load_policy


def changed(policy: Policy, keys: str, value: float, shift: bool) -> Policy:
    """The policy with the keys' values (of a table `key:n`, the first n) replaced by the value, or shifted by it."""
    content: dict[str, Any] = policy.model_dump()
    for key in keys.split(","):
        path, _, count = key.partition(":")
        *sections, name = path.split(".")
        place = content
        for section in sections:
            place = place[section]
        old = place[name]
        if isinstance(old, tuple):
            n = int(count or len(old))
            place[name] = (*((v if shift else 0.0) + value for v in old[:n]), *old[n:])
        else:
            place[name] = type(old)((old if shift else 0) + value)
    return Policy(**content)


def main(
    policy: str,
    keys: Annotated[str, typer.Argument(help="Keys of the policy, separated by commas.")],
    values: list[float],
    shift: Annotated[bool, typer.Option("--shift", help="Add the values to the policy's own.")] = False,
    rows: int = 16,
    seed: int = 2,
) -> None:
    """Print pulses, share converged, time and energy for each value."""
    original = load_policy(policy)
    outcomes = ((value, program(changed(original, keys, value, shift), rows, seed)) for value in values)
    print(table([keys, *COUNTS[1:], *COSTS], ([f"{value:g}", *counts(o), *costs(o)] for value, o in outcomes)))


if __name__ == "__main__":
    typer.run(main)
