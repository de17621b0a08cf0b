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

/* Four cells are ten halves of words; their statuses are the low bytes of two of them and the high bytes of two others. */
#define FOUR_BYTES (4 * CELL_BYTES)
_Static_assert(CELL_BYTES == 5 && OHMLOOM_PROGRAM_ANSWER_CELLS_STATUS_OFFSET == 0, "statuses' places");

static uint32_t move_half(uint32_t at, uint32_t by) {
    const uint32_t half = opaque(read16(at));
    write16(at + by, (uint16_t)half);
    return half;
}

uint32_t cells_move(uint32_t report, uint32_t by) {
    const uint32_t fours = report + FOUR_BYTES * (CHIP_COLUMNS / 4);
    uint32_t at = report + (CELLS_BYTES + 1) / 2 * 2, low = 0, high = 0;
    while (at != fours) {
        at -= 2;
        move_half(at, by);
    }
    for (uint32_t cell = fours; cell < report + CELLS_BYTES; cell += CELL_BYTES) {
        low |= read8(cell + by);
    }
    /* The loop itself would take longer than what it does. */
    while (at != report) {
        at -= FOUR_BYTES;
        move_half(at + 18, by);
        move_half(at + 16, by);
        high |= move_half(at + 14, by);
        move_half(at + 12, by);
        low |= move_half(at + 10, by);
        move_half(at + 8, by);
        move_half(at + 6, by);
        high |= move_half(at + 4, by);
        move_half(at + 2, by);
        low |= move_half(at, by);
    }
    return (low | high >> 8) & (CELLS_FAILED | CELLS_TRIPPED);
}

/* `bits` of the cells behind a column, then its own. */
static uint32_t with_column(uint32_t bits, uint32_t report, uint32_t column, uint32_t *count) {
    const uint32_t failed = read8(report + CELL_BYTES * column) & CELLS_FAILED;
    *count += failed;
    return opaque(bits + bits + failed);
}

uint32_t cells_bad(uint32_t report, uint8_t *bad) {
    uint32_t bits, count = 0, left = CHIP_COLUMNS;
    for (; left >= 8; left -= 8, report += 8 * CELL_BYTES) {
        bits = with_column(0, report, 7, &count);
        bits = with_column(bits, report, 6, &count);
        bits = with_column(bits, report, 5, &count);
        bits = with_column(bits, report, 4, &count);
        bits = with_column(bits, report, 3, &count);
        bits = with_column(bits, report, 2, &count);
        bits = with_column(bits, report, 1, &count);
        bits = with_column(bits, report, 0, &count);
        *bad++ = (uint8_t)(bits / CELLS_FAILED);
    }
    if (left) {
        for (bits = 0; left;) {
            bits = with_column(bits, report, --left, &count);
        }
        *bad = (uint8_t)(bits / CELLS_FAILED);
    }
    return count / CELLS_FAILED;
}
