/* Flash from CORE_FLASH_JOURNAL on: one sector with the run, then records of CHIP_RECORD_BYTES, filled in the order in which rows are
 * loaded. A record: the payload of RUN_LOAD; LOADED, one byte, 0 when the payload is whole; BEGUN, one byte, not 0xFF when the row
 * was begun; then places for results, each the bad cells' bits and their complement. A row that is done before flash was free for
 * BEGUN goes without it.
 *
 * The power may go at any moment. A byte under way then has some of its zeros, so nothing counts before its last zero is there: a
 * bit and its complement are never both ones in what is whole, and the run and each result are kept that way. What a cut spoilt
 * cannot be mended without an erase, so a record that is not whole is passed over and a result goes into the next place. A sector
 * that was being erased may hold anything: the run's is the first to be erased and written last. */
#include "journal.h"

#include "arithmetic.h"
#include "flash.h"
#include "hw.h"
#include "ohmloom.h"

#define BLANK 0xFFu
#define RECORDS (CORE_FLASH_JOURNAL + CORE_FLASH_SECTOR_BYTES)
#define LOADED CHIP_TARGET_BYTES
#define BEGUN (LOADED + 1)
#define RESULTS (LOADED + 2)
#define RESULT_BYTES (2 * CHIP_BAD_BYTES)
#define RUN_WORDS 4
#define NO_RECORD UINT16_MAX
#define NOT_INLINE __attribute__((noinline)) /* what is seldom done saves no registers for what is often looked at */

_Static_assert(CHIP_JOURNAL_RECORDS < NO_RECORD, "records are numbered in 16 bits");
_Static_assert(RESULTS + CHIP_RECORD_RESULTS * RESULT_BYTES <= CHIP_RECORD_BYTES, "results fit their record");
_Static_assert(OHMLOOM_RUN_LOAD_REQUEST_TILE_OFFSET == 0 && OHMLOOM_RUN_LOAD_REQUEST_ROW_OFFSET == 1, "a record begins with its row");

static struct run run;
static struct progress progress;
static uint16_t records[JOURNAL_ROWS]; /* of each row */
static uint8_t states[JOURNAL_ROWS];
static uint8_t resumed[JOURNAL_ROWS]; /* loaded before the last reset: a result may have been spoilt */
static uint32_t next_record;          /* none has been written from here on */

/* What flash does not have yet: that a row is begun, and the result of one before it. JOURNAL_ROWS: of none. */
static uint32_t unmarked;
static struct {
    uint32_t row;
    uint32_t bad[CHIP_BAD_WORDS];
} unsettled;

static uint32_t record_at(uint32_t record) {
    return RECORDS + record * CHIP_RECORD_BYTES;
}

/* Results. */

enum kept { NOTHING, SPOILT, WHOLE };

static enum kept read_result(uint32_t at, uint32_t *columns) {
    uint8_t bytes[RESULT_BYTES], *const bad = (uint8_t *)columns;
    columns[CHIP_BAD_WORDS - 1] = 0;
    flash_read(at, bytes, sizeof bytes);
    enum kept kept = WHOLE;
    uint32_t ones = BLANK;
    for (uint32_t index = 0; index < CHIP_BAD_BYTES; index++) {
        bad[index] = bytes[index];
        ones &= bytes[index] & bytes[CHIP_BAD_BYTES + index];
        if ((bytes[index] ^ bytes[CHIP_BAD_BYTES + index]) != BLANK) {
            kept = SPOILT;
        }
    }
    return ones == BLANK ? NOTHING : kept;
}

static uint32_t results_at(uint32_t record) {
    return record_at(record) + RESULTS;
}

/* The first place in a record that is whole or empty, else the last. */
static uint32_t find_result(uint32_t record, enum kept *kept, uint32_t *bad) {
    uint32_t at = results_at(record);
    for (uint32_t place = 1;; place++, at += RESULT_BYTES) {
        *kept = read_result(at, bad);
        if (*kept != SPOILT || place == CHIP_RECORD_RESULTS) {
            return at;
        }
    }
}

/* A record with no good place left says that all its cells are bad: they were not all verified. *tried: a result has been written
 * there, spoilt or whole. */
static enum kept find_bad(uint32_t record, uint32_t *bad, int *tried) {
    enum kept kept;
    const uint32_t at = find_result(record, &kept, bad);
    *tried = kept != NOTHING || at != results_at(record);
    if (kept == SPOILT) {
        for (uint32_t word = 0; word < CHIP_BAD_WORDS; word++) {
            bad[word] = 0; /* it has bits of no column */
        }
        for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
            bad[column >> 5] |= 1u << (column & 31);
        }
        kept = WHOLE;
    }
    return kept;
}

static uint32_t count_bad(const uint32_t *bad) {
    uint32_t count = 0;
    for (uint32_t word = 0; word < CHIP_BAD_WORDS; word++) {
        if (bad[word]) {
            count += count_ones(bad[word]);
        }
    }
    return count;
}

/* Reading what is there. */

static void forget(void) {
    run.number = run.key = 0;
    run.kind = run.retries = 0;
    progress.loaded = progress.done = progress.begun = progress.bad = 0;
    for (uint32_t row = 0; row < JOURNAL_ROWS; row++) {
        records[row] = NO_RECORD;
        states[row] = OHMLOOM_ROW_STATE_EMPTY;
        resumed[row] = 0;
    }
    next_record = 0;
    unmarked = unsettled.row = JOURNAL_ROWS;
}

static void run_words(uint32_t *words) {
    words[0] = CHIP_DIGEST;
    words[1] = run.number;
    words[2] = run.key;
    words[3] = (uint32_t)run.kind | (uint32_t)run.retries << 8;
}

static int read_run(void) {
    uint8_t bytes[8 * RUN_WORDS];
    uint32_t words[2 * RUN_WORDS];
    flash_read(CORE_FLASH_JOURNAL, bytes, sizeof bytes);
    for (uint32_t index = 0; index < 2 * RUN_WORDS; index++) {
        const uint8_t *byte = bytes + 4 * index;
        words[index] = byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 | (uint32_t)byte[3] << 24;
    }
    for (uint32_t index = 0; index < RUN_WORDS; index++) {
        if (words[index] != ~words[RUN_WORDS + index]) {
            return 0;
        }
    }
    if (words[0] != CHIP_DIGEST) {
        return 0;
    }
    run.number = words[1];
    run.key = words[2];
    run.kind = (uint8_t)words[3];
    run.retries = (uint8_t)(words[3] >> 8);
    return 1;
}

static void read_record(uint32_t record) {
    uint8_t place[3], marks[2];
    uint32_t bad[CHIP_BAD_WORDS];
    flash_read(record_at(record), place, sizeof place);
    flash_read(record_at(record) + LOADED, marks, sizeof marks);
    if ((place[0] & place[1] & place[2] & marks[0] & marks[1]) != BLANK) {
        next_record = record + 1;
    }
    const uint32_t tile_row = place[1] | (uint32_t)place[2] << 8;
    if (marks[0] || place[0] >= CHIP_TILES || tile_row >= CHIP_ROWS) {
        return;
    }
    const uint32_t row = place[0] * CHIP_ROWS + tile_row;
    int tried;
    records[row] = (uint16_t)record;
    resumed[row] = 1;
    progress.loaded++;
    if (find_bad(record, bad, &tried) == WHOLE) {
        states[row] = OHMLOOM_ROW_STATE_DONE;
        progress.done++;
        progress.bad += count_bad(bad);
    } else if (marks[1] != BLANK || tried) {
        states[row] = OHMLOOM_ROW_STATE_BEGUN;
        progress.begun++;
    } else {
        states[row] = OHMLOOM_ROW_STATE_LOADED;
    }
}

void journal_start(void) {
    forget();
    if (read_run()) {
        for (uint32_t record = 0; record < CHIP_JOURNAL_RECORDS; record++) {
            read_record(record);
        }
    }
}

const struct run *journal_run(void) {
    return &run;
}

const struct progress *journal_progress(void) {
    journal_settle();
    return &progress;
}

uint32_t journal_left(void) {
    return progress.loaded - progress.done;
}

uint32_t journal_state(uint32_t row) {
    return states[row];
}

uint32_t journal_open(uint32_t row) {
    while (row < JOURNAL_ROWS && (states[row] == OHMLOOM_ROW_STATE_EMPTY || states[row] == OHMLOOM_ROW_STATE_DONE)) {
        row++;
    }
    return row;
}

uint32_t journal_targets(uint32_t row) {
    return record_at(records[row]);
}

/* Writing. */

static int is_blank(uint32_t sector) {
    uint32_t left = CORE_FLASH_SECTOR_BYTES;
    flash_read_begin(sector);
    while (left && flash_read_next() == BLANK) {
        left--;
    }
    return left == 0;
}

void journal_begin(const struct run *begun) {
    flash_erase(CORE_FLASH_JOURNAL);
    for (uint32_t at = RECORDS; at < record_at(CHIP_JOURNAL_RECORDS); at += CORE_FLASH_SECTOR_BYTES) {
        if (!is_blank(at)) {
            flash_erase(at);
        }
    }
    forget();
    run = *begun;
    uint32_t words[RUN_WORDS];
    run_words(words);
    flash_program_begin(CORE_FLASH_JOURNAL);
    for (uint32_t part = 0; part < 2; part++) {
        for (uint32_t index = 0; index < RUN_WORDS; index++) {
            const uint32_t word = part ? ~words[index] : words[index];
            for (uint32_t bit = 0; bit < 32; bit += 8) {
                flash_program_next(word >> bit);
            }
        }
    }
    flash_program_end();
}

static void mark(uint32_t at) {
    flash_program_begin(at);
    flash_program_next(0);
    flash_program_end();
}

static int program_targets(uint32_t at, uint32_t payload) {
    flash_program_begin(at);
    for (uint32_t index = 0; index < CHIP_TARGET_BYTES; index++) {
        flash_program_next(read8(payload + index));
    }
    flash_program_end();
    uint32_t index = 0;
    flash_read_begin(at);
    while (index < CHIP_TARGET_BYTES && flash_read_next() == read8(payload + index)) {
        index++;
    }
    return index == CHIP_TARGET_BYTES;
}

int journal_load(uint32_t row, uint32_t payload) {
    journal_settle();
    journal_mark(); /* of a row that the latch stopped: this one may come before it */
    while (next_record < CHIP_JOURNAL_RECORDS) {
        const uint32_t record = next_record++;
        if (program_targets(record_at(record), payload)) {
            mark(record_at(record) + LOADED);
            records[row] = (uint16_t)record;
            states[row] = OHMLOOM_ROW_STATE_LOADED;
            progress.loaded++;
            return 1;
        }
    }
    return 0;
}

/* How far rows are. */

void journal_begun(uint32_t row) {
    if (states[row] == OHMLOOM_ROW_STATE_BEGUN) {
        return;
    }
    states[row] = OHMLOOM_ROW_STATE_BEGUN;
    progress.begun++;
    unmarked = row;
    if (unsettled.row == JOURNAL_ROWS && !flash_busy()) {
        journal_mark();
    }
}

static NOT_INLINE void write_mark(void) {
    mark(record_at(records[unmarked]) + BEGUN);
    unmarked = JOURNAL_ROWS;
}

int journal_mark(void) {
    if (unmarked == JOURNAL_ROWS) {
        return 0;
    }
    write_mark();
    return 1;
}

void journal_done(uint32_t row, const uint32_t *bad) {
    if (unmarked == row) {
        unmarked = JOURNAL_ROWS; /* its result says more */
    }
    unsettled.row = row;
    for (uint32_t word = 0; word < CHIP_BAD_WORDS; word++) {
        unsettled.bad[word] = bad[word];
    }
    states[row] = OHMLOOM_ROW_STATE_DONE;
    progress.begun--;
    progress.done++;
}

static NOT_INLINE void write_result(void) {
    const uint8_t *const bad = (const uint8_t *)unsettled.bad;
    enum kept kept = NOTHING;
    uint32_t found[CHIP_BAD_WORDS];
    const uint32_t row = unsettled.row, record = records[row];
    const uint32_t at = resumed[row] ? find_result(record, &kept, found) : results_at(record);
    if (kept == NOTHING) {
        flash_program_begin(at);
        for (uint32_t index = 0; index < CHIP_BAD_BYTES; index++) {
            flash_program_next(bad[index]);
        }
        for (uint32_t index = 0; index < CHIP_BAD_BYTES; index++) {
            flash_program_next(~(uint32_t)bad[index]);
        }
        flash_program_end();
    }
    progress.bad += count_bad(unsettled.bad);
    unsettled.row = JOURNAL_ROWS;
}

int journal_settle(void) {
    if (unsettled.row == JOURNAL_ROWS) {
        return 0;
    }
    write_result();
    return 1;
}

void journal_bad(uint32_t row, uint32_t *bad) {
    int tried;
    journal_settle();
    find_bad(records[row], bad, &tried);
}
