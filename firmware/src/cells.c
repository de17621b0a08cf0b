#include "cells.h"

#include "hw.h"

/* Each bit of CELLS_FAILED and CELLS_TRIPPED is one of the statuses that mean it, and of no other. */
_Static_assert(OHMLOOM_CELL_SKIPPED == 0 && OHMLOOM_CELL_CONVERGED == 1 && OHMLOOM_CELL_EXHAUSTED == CELLS_FAILED &&
                   OHMLOOM_CELL_STUCK == (CELLS_FAILED | 1) && OHMLOOM_CELL_TRIPPED == CELLS_TRIPPED,
               "statuses");

int cell_failed(uint32_t status) {
    return (status & CELLS_FAILED) != 0;
}

uint32_t cells_found(uint32_t report) {
    uint32_t statuses = 0, left = CHIP_COLUMNS;
    for (; left >= 4; left -= 4, report += 4 * CELL_BYTES) {
        statuses |= read8(report) | read8(report + CELL_BYTES) | read8(report + 2 * CELL_BYTES) | read8(report + 3 * CELL_BYTES);
    }
    for (; left; left--, report += CELL_BYTES) {
        statuses |= read8(report);
    }
    return statuses & (CELLS_FAILED | CELLS_TRIPPED);
}

/* Two cells are five halves of words; their statuses are in the first and the third. */
#define PAIR_BYTES (2 * CELL_BYTES)
_Static_assert(CELL_BYTES == 5 && OHMLOOM_PROGRAM_ANSWER_CELLS_STATUS_OFFSET == 0, "statuses' places");

static uint32_t move_half(uint32_t at, uint32_t by) {
    const uint16_t half = read16(at);
    write16(at + by, half);
    return half;
}

uint32_t cells_move(uint32_t report, uint32_t by) {
    uint32_t at = report + PAIR_BYTES * (CHIP_COLUMNS / 2), first = 0, third = 0;
    if (CHIP_COLUMNS & 1) {
        move_half(at + 4, by);
        move_half(at + 2, by);
        first = move_half(at, by);
    }
    while (at != report) {
        at -= PAIR_BYTES;
        move_half(at + 8, by);
        move_half(at + 6, by);
        third |= move_half(at + 4, by);
        move_half(at + 2, by);
        first |= move_half(at, by);
    }
    return (first | third >> 8) & (CELLS_FAILED | CELLS_TRIPPED);
}
