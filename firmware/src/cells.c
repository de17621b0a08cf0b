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
    uint32_t statuses = 0;
    for (const uint32_t end = report + CELLS_BYTES; report != end; report += CELL_BYTES) {
        statuses |= read8(report);
    }
    return statuses & (CELLS_FAILED | CELLS_TRIPPED);
}

void cells_move(uint32_t report, uint32_t by) {
    for (uint32_t at = report + (CELLS_BYTES + 1) / 2 * 2; at != report;) {
        at -= 2;
        write16(at + by, read16(at));
    }
}
