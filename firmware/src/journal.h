/* What flash keeps of a run, whenever the power goes: its rows' targets, and how far each row is. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdint.h>

#include "chip.h"

#define JOURNAL_ROWS (CHIP_TILES * CHIP_ROWS)

/* As RUN_BEGIN gave it; number 0: none. */
struct run {
    uint32_t number, key;
    uint8_t kind, retries;
};

struct progress {
    uint32_t loaded, done, begun, bad; /* rows in any state but EMPTY, rows, rows, cells */
};

/* Reads in what flash has. Before all else. */
void journal_start(void);

const struct run *journal_run(void);

/* Waits for the flash where a result is due: only then are its bad cells counted. */
const struct progress *journal_progress(void);

/* Rows that are loaded and not done. */
uint32_t journal_left(void);

/* Forgets the run before. */
void journal_begin(const struct run *run);

/* A row's RowState. Rows count through all tiles. */
uint32_t journal_state(uint32_t row);

/* The first row from `row` on that is loaded and not done; JOURNAL_ROWS: none. */
uint32_t journal_open(uint32_t row);

/* Keeps the payload of a RUN_LOAD, CHIP_TARGET_BYTES at an address. Answers 0 when flash has no room left: that many power cuts
 * have spoilt records. */
int journal_load(uint32_t row, uint32_t payload);

/* Where that payload is in flash. */
uint32_t journal_targets(uint32_t row);

/* No row waits for the flash: what it is to hold is due until it is free. At most one row's result is due and one row's mark, so a cut
 * leaves at most two rows that had pulses and are not done in flash: one that was under way, and the one before it. Both are written
 * once more, whether flash has them as begun or, where the mark was still due, as loaded. */

/* When a row's first attempt starts: its mark is due, and written at once when flash is free. */
void journal_begun(uint32_t row);

/* After a row's last pulse, when no other's result is due. Its result is, its mark no more. bad: one bit a column, CHIP_BAD_WORDS. */
void journal_done(uint32_t row, const uint32_t *bad);

/* Write what is due, and wait for the flash where it is not free. Answer 0 when nothing is due. */
int journal_settle(void); /* the result: first, since the row may have been answered */
int journal_mark(void);

/* The bad cells of a row that is done. */
void journal_bad(uint32_t row, uint32_t *bad);

#endif
