#include "targets.h"

#include "flash.h"
#include "hw.h"
#include "journal.h"
#include "ohmloom.h"

#define CELLS OHMLOOM_RUN_LOAD_REQUEST_CELLS_OFFSET
#define MASK OHMLOOM_FORM_REQUEST_MASK_OFFSET
#define NOT_INLINE __attribute__((noinline)) /* what is done once a row saves no registers for what is asked all the time */

_Static_assert(MASK == CELLS, "a mask is made in the place of its cells");

struct targets {
    uint32_t row, have; /* bytes that have been read */
    uint32_t words[(CHIP_TARGET_BYTES + 3) / 4];
};

static struct targets both[2];
static struct targets *taken = &both[0], *expected = &both[1];

static void empty(struct targets *targets, uint32_t row) {
    targets->row = row;
    targets->have = 0;
    targets->words[(CHIP_TARGET_BYTES - 1) / 4] = 0;
}

void targets_forget(void) {
    empty(taken, TARGETS_NO_ROW);
    empty(expected, TARGETS_NO_ROW);
}

static int forming(void) {
    return journal_run()->kind == OHMLOOM_RUN_KIND_FORM;
}

/* FORM wants a mask: of the cells with a tolerance, the second code of each three bytes. */
static void make_mask(uint8_t *targets) {
    const uint8_t *cell = targets + CELLS;
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++, cell += 3) {
        targets[MASK + column] = cell[1] >> 4 || cell[2];
    }
}

static void have_all(void) {
    expected->have = CHIP_TARGET_BYTES;
    if (forming()) {
        make_mask((uint8_t *)expected->words);
    }
}

/* The rest of the expected row's, with one of flash's ways to read. */
static void fetch(uint32_t (*read)(uint32_t at, uint8_t *to, uint32_t bytes)) {
    const uint32_t have = expected->have;
    expected->have += read(journal_targets(expected->row) + have, (uint8_t *)expected->words + have, CHIP_TARGET_BYTES - have);
    if (expected->have == CHIP_TARGET_BYTES) {
        have_all();
    }
}

static const uint8_t *take(void) {
    struct targets *targets = expected;
    expected = taken;
    taken = targets;
    expected->row = TARGETS_NO_ROW;
    return (const uint8_t *)targets->words;
}

static NOT_INLINE const uint8_t *fetch_and_take(uint32_t row) {
    targets_expect(row);
    if (expected->have < CHIP_TARGET_BYTES) {
        fetch(flash_read);
    }
    return take();
}

const uint8_t *targets_take(uint32_t row) {
    return expected->row == row && expected->have == CHIP_TARGET_BYTES ? take() : fetch_and_take(row);
}

void targets_expect(uint32_t row) {
    if (expected->row != row) {
        empty(expected, row);
    }
}

void targets_expect_these(uint32_t row, uint32_t payload) {
    targets_expect(row);
    for (uint32_t index = 0; index < sizeof expected->words / 4; index++) {
        expected->words[index] = read32(payload + 4 * index);
    }
    have_all();
}

static NOT_INLINE int fetch_some(void) {
    fetch(flash_read_meanwhile);
    return 1;
}

int targets_fetch(void) {
    return expected->row < JOURNAL_ROWS && expected->have < CHIP_TARGET_BYTES && fetch_some();
}

void targets_leave(uint32_t payload, uint32_t column) {
    const uint32_t cell = payload + CELLS + 3 * column;
    write8(cell + 1, read8(cell + 1) & 15);
    write8(cell + 2, 0);
}

_Static_assert(CELLS % 4 == 3 && MASK % 4 == 3, "whole words begin behind the first byte");

/* Of most rows most cells converge, so eight of them are left alone at once: in words, the last of which has the first byte of the eight
 * behind, or one that is nobody's. */
static inline __attribute__((always_inline)) void leave_all_but(uint32_t payload, const uint8_t *targets, const uint32_t *columns,
                                                                uint32_t cell_bytes) {
    const uint8_t *eight = (const uint8_t *)columns, *const end = eight + CHIP_BAD_BYTES;
    for (uint32_t at = 0; eight != end; eight++, at += 8 * cell_bytes) {
        const uint32_t to = payload + at;
        uint32_t bits = *eight;
        if (bits == 0xFF) {
            write8(to, targets[at]);
            continue;
        }
        if (cell_bytes == 1) {
            write8(to, 0); /* else it is of a target, which does not matter without its tolerance */
        }
#pragma GCC unroll 6 /* not only here: the loop itself would take as long as what it does */
        for (uint32_t word = 0; word != 2 * cell_bytes; word++) {
            write32(to + 1 + 4 * word, 0);
        }
        uint32_t cell = to;
        for (const uint8_t *target = targets + at; bits; bits >>= 1, cell += cell_bytes, target += cell_bytes) {
            if (bits & 1) {
#pragma GCC unroll 3
                for (uint32_t byte = 0; byte != cell_bytes; byte++) {
                    write8(cell + byte, target[byte]);
                }
            }
        }
    }
}

void targets_leave_all_but(uint32_t payload, const uint8_t *targets, const uint32_t *columns) {
    if (forming()) {
        leave_all_but(payload + MASK, targets + MASK, columns, 1);
    } else {
        leave_all_but(payload + CELLS, targets + CELLS, columns, 3);
    }
}

/* A cell's target and tolerance are the two codes of three bytes. */

static int32_t code(uint32_t bits) {
    return (int32_t)(bits ^ 0x800) - 0x800;
}

int32_t targets_target(const uint8_t *targets, uint32_t column) {
    const uint8_t *cell = targets + CELLS + 3 * column;
    return code(cell[0] | (uint32_t)(cell[1] & 15) << 8);
}

int32_t targets_tolerance(const uint8_t *targets, uint32_t column) {
    const uint8_t *cell = targets + CELLS + 3 * column;
    return code((uint32_t)cell[1] >> 4 | (uint32_t)cell[2] << 4);
}
