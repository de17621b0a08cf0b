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

#define HALVES ((CELLS_BYTES + 1) / 2)

static void move_half(uint32_t at, uint32_t by) {
    write16(at + by, read16(at));
}

void cells_move(uint32_t report, uint32_t by) {
    uint32_t at = report + 2 * HALVES;
    for (uint32_t rest = HALVES % 8; rest; rest--) {
        at -= 2;
        move_half(at, by);
    }
    /* The loop itself would take longer than what it does. */
    while (at != report) {
        at -= 16;
        move_half(at + 14, by);
        move_half(at + 12, by);
        move_half(at + 10, by);
        move_half(at + 8, by);
        move_half(at + 6, by);
        move_half(at + 4, by);
        move_half(at + 2, by);
        move_half(at, by);
    }
}
