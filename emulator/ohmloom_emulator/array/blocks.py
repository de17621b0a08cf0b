"""Blocks of crossbar cells as multiports, and how two neighbouring blocks become one.

A block of cells touches its surroundings at four groups of ports: the row wires at its left (`left`, r ports) and right
(`right`, r ports), the column wires at its top (`top`, c ports) and bottom (`bottom`, c ports). It is described by a
symmetric *hybrid* matrix H over the ports in the order (left, bottom, top, right),

    (i_left, i_bottom, -v_top, -v_right) = H @ (v_left, v_bottom, i_top, i_right),

all currents counted into the block. Left and bottom ports are given by their voltages and top and right ports by their
currents because this form exists for every network: an admittance matrix does not when a wire has no resistance, an
impedance matrix does not when a cell has no conductance. Open ports (i = 0) vanish by deleting their rows and columns.

Joining a current port (open-circuit impedance Z) to a voltage port (short-circuit admittance Y) leaves the system
I + Z Y. Both factors are symmetric and positive semidefinite, so its eigenvalues are real and at least one: it is never
singular. This is nested dissection of the nodal equations (A. George, SIAM J. Numer. Anal. 10, 345 (1973)) in hybrid
form; an n x n array costs O(n^3), most of it in dense matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Joints up to this width are computed entry by entry over the whole batch: for them BLAS calls would be all overhead.
_ELEMENTWISE_PORTS = 2


@dataclass(frozen=True, slots=True)
class Block:
    """Hybrid matrices of equal blocks, shape (..., p, p), with the sizes of their four port groups."""

    hybrid: Array
    left: int
    bottom: int
    top: int
    right: int

    def ports(self) -> tuple[slice, slice, slice, slice]:
        """The slices of the left, bottom, top and right ports."""
        left, bottom, top, right = _slices(self.left, self.bottom, self.top, self.right)
        return left, bottom, top, right

    def at(self, *index: int | slice) -> Block:
        """The block or blocks at `index` of the batch axes."""
        return Block(self.hybrid[index], self.left, self.bottom, self.top, self.right)

    def keep(self, left: slice, bottom: slice, top: slice, right: slice) -> Block:
        """The block with only the given ports of each group; the others are left without signal."""
        kept = [np.arange(group.start, group.stop)[choice] for group, choice in
                zip(self.ports(), (left, bottom, top, right), strict=True)]
        if sum(map(len, kept)) == self.hybrid.shape[-1]:
            return self
        index = np.concatenate(kept)
        return Block(self.hybrid[..., index[:, None], index], *map(len, kept))


def cell_blocks(conductance: Array, r_left: Array, r_bottom: Array) -> Block:
    """One-cell blocks, each with the row resistance at its left and the column resistance below it.

    Shapes: all arguments broadcast to (rows, columns); the result's batch axes are (rows, columns).
    """
    g, rl, rb = np.broadcast_arrays(conductance, r_left, r_bottom)
    scale = 1.0 / (1.0 + g * (rl + rb))
    y = g * scale
    left_share, bottom_share = (1.0 + g * rb) * scale, (1.0 + g * rl) * scale  # 1 - y*rl, 1 - y*rb without cancellation
    h = np.empty((4, 4, *g.shape))
    h[0, 0] = h[1, 1] = y
    h[0, 1] = h[1, 0] = -y
    h[0, 2] = h[2, 0] = -y * rb
    h[1, 3] = h[3, 1] = -y * rl
    h[0, 3] = h[3, 0] = -left_share
    h[1, 2] = h[2, 1] = -bottom_share
    h[2, 2] = -rb * bottom_share
    h[3, 3] = -rl * left_share
    h[2, 3] = h[3, 2] = -rb * rl * y
    return Block(np.moveaxis(h, (0, 1), (-2, -1)), 1, 1, 1, 1)


def join_columns(a: Block, b: Block) -> Block:
    """Blocks `a` with their right neighbours `b`: more columns, the same rows."""
    left, a_bottom, a_top, a_right = a.ports()
    b_left, b_bottom, b_top, right = b.ports()
    out = _slices(a.left, a.bottom, b.bottom, a.top, b.top, b.right)
    hybrid = _join(
        a.hybrid, a_right, [(_span(left, a_bottom), _span(out[0], out[1])), (a_top, out[3])],
        b.hybrid, b_left, [(b_bottom, out[2]), (_span(b_top, right), _span(out[4], out[5]))],
    )  # fmt: skip
    return Block(hybrid, a.left, a.bottom + b.bottom, a.top + b.top, b.right)


def join_rows(a: Block, b: Block) -> Block:
    """Blocks `a` with the blocks `b` below them: more rows, the same columns."""
    a_left, a_bottom, a_top, a_right = a.ports()
    b_left, b_bottom, b_top, b_right = b.ports()
    out = _slices(a.left, b.left, b.bottom, a.top, a.right, b.right)
    hybrid = _join(
        b.hybrid, b_top, [(_span(b_left, b_bottom), _span(out[1], out[2])), (b_right, out[5])],
        a.hybrid, a_bottom, [(a_left, out[0]), (_span(a_top, a_right), _span(out[3], out[4]))],
    )  # fmt: skip
    return Block(hybrid, a.left + b.left, b.bottom, a.top, a.right + b.right)


_Moves = list[tuple[slice, slice]]  # (ports of a joined block, their place in the result)


def _join(p: Array, p_joint: slice, p_moves: _Moves, q: Array, q_joint: slice, q_moves: _Moves) -> Array:
    """Eliminate the joint between the current ports of `p` and the voltage ports of `q`.

    With a, b the rows of the joint, Z = -p[joint, joint], Y = q[joint, joint] and W = (I + Z Y)^-1 the Schur
    complement is pp + a' Y W a, pq = -a' W' b, qq - b' W Z b. Y W and W Z are symmetric.
    """
    a = np.concatenate([p[..., p_joint, source] for source, _ in p_moves], axis=-1)
    b = np.concatenate([q[..., q_joint, source] for source, _ in q_moves], axis=-1)
    z, y = -p[..., p_joint, p_joint], q[..., q_joint, q_joint]
    elementwise = z.shape[-1] <= _ELEMENTWISE_PORTS and p.ndim > 2
    times = _elementwise_product if elementwise else np.matmul
    system = times(z, y)
    np.einsum("...ii->...i", system)[...] += 1.0
    solve = _elementwise_solve if elementwise else np.linalg.solve
    solution = solve(system, np.concatenate([a, z], axis=-1))
    width = a.shape[-1]
    wa, wz = solution[..., :width], solution[..., width:]
    from_p = times(_transposed(wa), np.concatenate([times(y, a), -b], axis=-1))  # pp | pq
    from_q = times(_transposed(b), times(wz, b))

    size = width + b.shape[-1]
    out = _empty_like(p, size)
    p_parts, q_parts = _parts(p_moves), _parts(q_moves)
    for source, part, target in p_parts:
        for source2, part2, target2 in p_parts:
            np.add(p[..., source, source2], from_p[..., part, part2], out=out[..., target, target2])
        for _, part2, target2 in q_parts:
            mixed = from_p[..., part, width + part2.start : width + part2.stop]
            out[..., target, target2] = mixed
            out[..., target2, target] = _transposed(mixed)
    for source, part, target in q_parts:
        for source2, part2, target2 in q_parts:
            np.subtract(q[..., source, source2], from_q[..., part, part2], out=out[..., target, target2])
    return out


def _elementwise_product(x: Array, y: Array) -> Array:
    """Matrix product over the last two axes for a short inner axis and a batch that is contiguous in memory."""
    out = x[..., :, :1] * y[..., :1, :]
    for k in range(1, x.shape[-1]):
        out += x[..., :, k : k + 1] * y[..., k : k + 1, :]
    return out


def _elementwise_solve(m: Array, rhs: Array) -> Array:
    """Solve 1 x 1 or 2 x 2 systems I + Z Y; both have determinants of at least one."""
    if m.shape[-1] == 1:
        return rhs / m
    m00, m01, m10, m11 = (m[..., i : i + 1, j : j + 1] for i in (0, 1) for j in (0, 1))
    top, bottom = rhs[..., :1, :], rhs[..., 1:, :]
    return np.concatenate([m11 * top - m01 * bottom, m00 * bottom - m10 * top], axis=-2) / (m00 * m11 - m01 * m10)


def _empty_like(p: Array, size: int) -> Array:
    """Uninitialised (..., size, size) with the batch axes of `p` and its memory order (batch axes first or last)."""
    batch = p.shape[:-2]
    if p.ndim > 2 and p.strides[-1] > p.strides[0]:
        return np.moveaxis(np.empty((size, size, *batch)), (0, 1), (-2, -1))
    return np.empty((*batch, size, size))


def _parts(moves: _Moves) -> list[tuple[slice, slice, slice]]:
    """Each move with its place among all moved ports."""
    places = _slices(*(source.stop - source.start for source, _ in moves))
    return [(source, place, target) for (source, target), place in zip(moves, places, strict=True)]


def _slices(*sizes: int) -> tuple[slice, ...]:
    """Consecutive slices of the given sizes."""
    result, start = [], 0
    for size in sizes:
        result.append(slice(start, start + size))
        start += size
    return tuple(result)


def _span(first: slice, last: slice) -> slice:
    return slice(first.start, last.stop)


def _transposed(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)
