"""The other ways to compute a crossbar's currents: scipy's sparse LU of the nodal matrix, and badcrossbar."""

import importlib
import importlib.util
import logging
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any, TypedDict

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Wires(TypedDict):
    """Resistances in ohm, named as the solvers name them."""

    r_row: float
    r_column: float
    r_driver: float
    r_sense: float


WIRES: Wires = {"r_row": 1.0, "r_column": 2.0, "r_driver": 1.0, "r_sense": 2.0}  # badcrossbar's ends are like its wires
ORDERINGS: dict[str, dict[str, Any]] = {
    "COLAMD": {"permc_spec": "COLAMD"},
    "MMD_AT_PLUS_A": {"permc_spec": "MMD_AT_PLUS_A"},
    "MMD_AT_PLUS_A, symmetric mode": {
        "permc_spec": "MMD_AT_PLUS_A",
        "diag_pivot_thresh": 0.0,
        "options": {"SymmetricMode": True},
    },
}


class Nodal:
    """The nodal matrix of a crossbar for scipy."""

    def __init__(self, g: Array) -> None:
        self.rows, self.columns = g.shape
        self.a = np.arange(g.size).reshape(g.shape)
        self.b = self.a + g.size
        across, down = self.a[:, 1:], self.b[1:]
        p = np.concatenate([self.a.ravel(), self.a[:, :-1].ravel(), self.b[:-1].ravel()])
        q = np.concatenate([self.b.ravel(), across.ravel(), down.ravel()])
        in_wires = np.repeat([1 / WIRES["r_row"], 1 / WIRES["r_column"]], [across.size, down.size])
        y = np.concatenate([g.ravel(), in_wires])
        ends = np.concatenate([self.a[:, 0], self.b[-1]])
        to_ends = np.repeat([1 / WIRES["r_driver"], 1 / WIRES["r_sense"]], [self.rows, self.columns])
        place = np.concatenate([p, q, p, q, ends]), np.concatenate([p, q, q, p, ends])
        self.matrix = sp.csc_matrix((np.concatenate([y, y, -y, -y, to_ends]), place))

    def factor(self, ordering: str) -> sla.SuperLU:
        return sla.splu(self.matrix, **ORDERINGS[ordering])

    def currents(self, ordering: str, v: Array) -> Array:
        """Factor, then solve for the vectors, or for unit vectors if there are more vectors than rows."""
        factors = self.factor(ordering)
        drives = v if len(v) < self.rows else np.eye(self.rows)
        sensed = []
        for start in range(0, len(drives), 64):  # bounds the memory
            some = drives[start : start + 64]
            rhs = np.zeros((self.matrix.shape[0], len(some)))
            rhs[self.a[:, 0]] = some.T / WIRES["r_driver"]
            sensed.append(factors.solve(rhs)[self.b[-1]].T / WIRES["r_sense"])
        result = np.concatenate(sensed)
        return result if drives is v else v @ result


def badcrossbar_is_installed() -> bool:
    return importlib.util.find_spec("badcrossbar") is not None


def badcrossbar(g: Array, v: Array, limit_s: float) -> tuple[float, Array]:
    """Seconds and currents, computed in a process of its own.

    Raises:
        TimeoutError: it takes longer than the limit.
        ChildProcessError: it ended without a result, for example for want of memory.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_badcrossbar_child, args=(sender, g, v))
    process.start()
    sender.close()
    try:
        if not receiver.poll(limit_s + 5.0):  # 5 s to start and import
            raise TimeoutError
        taken, currents = receiver.recv()
    except EOFError as error:
        raise ChildProcessError("badcrossbar ended without a result") from error
    finally:
        process.kill()
        process.join()
    if taken > limit_s:
        raise TimeoutError
    return taken, currents


def _badcrossbar_child(answer: Connection, g: Array, v: Array) -> None:
    compute = importlib.import_module("badcrossbar").compute
    logging.disable(logging.CRITICAL)
    wires = {"r_i_word_line": WIRES["r_row"], "r_i_bit_line": WIRES["r_column"]}
    start = time.perf_counter()
    solution = compute(v.T, 1 / g, **wires, node_voltages=False, all_currents=False)
    taken = time.perf_counter() - start
    answer.send((taken, np.atleast_2d(solution.currents.output)))
