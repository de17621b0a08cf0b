/* Runs over rows. What a row needs of flash is read while the row before is written, and flash is written while the engine works. */
#include "run.h"

#include "cells.h"
#include "checks.h"
#include "chip.h"
#include "codes.h"
#include "flash.h"
#include "hw.h"
#include "journal.h"
#include "ohmloom.h"
#include "targets.h"

#include <stddef.h>

#define CELL_CODES (2 * CHIP_COLUMNS)
#define NOT_INLINE __attribute__((noinline)) /* what some rows need saves no registers for what all do */

/* The first row that is loaded and not done. */
static uint32_t next_row;

void run_start(void) {
    targets_forget();
    next_row = journal_open(0);
    targets_expect(next_row);
}

/* What a row's end waited for comes first, the mark that a row is begun last: `journal_begun` has written it, if it could be. Answers 0
 * when there is nothing left to do. */
static int use_flash(void) {
    return flash_busy() || journal_settle() || targets_fetch() || journal_mark();
}

void run_idle(void) {
    use_flash();
}

uint32_t run_begin(const struct request *request) {
    const uint32_t kind = read8(request->payload + OHMLOOM_RUN_BEGIN_REQUEST_KIND_OFFSET);
    const uint32_t key = word_at(request->payload + OHMLOOM_RUN_BEGIN_REQUEST_KEY_OFFSET);
    const uint32_t retries = read8(request->payload + OHMLOOM_RUN_BEGIN_REQUEST_RETRIES_OFFSET);
    if (!check_below(kind, OHMLOOM_RUN_KIND_FORM + 1, OHMLOOM_ERROR_BAD_VALUE) ||
        !check_below(retries, OHMLOOM_MAX_RETRIES + 1, OHMLOOM_ERROR_BAD_VALUE)) {
        return REFUSED;
    }
    if (kind == OHMLOOM_RUN_KIND_FORM && key != OHMLOOM_REGISTER_ARM_KEY) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, key);
    }
    const struct run run = {
        .number = word_at(request->payload + OHMLOOM_RUN_BEGIN_REQUEST_RUN_OFFSET),
        .key = key,
        .kind = (uint8_t)kind,
        .retries = (uint8_t)retries,
    };
    journal_begin(&run);
    run_start();
    return 0;
}

/* A row's place among those of all tiles, from the two fields that such payloads begin with; JOURNAL_ROWS: refused. */
static uint32_t checked_row(const struct request *request) {
    const uint32_t tile = read8(request->payload + OHMLOOM_RUN_ROW_REQUEST_TILE_OFFSET);
    const uint32_t row = half_at(request->payload + OHMLOOM_RUN_ROW_REQUEST_ROW_OFFSET);
    return check_tile(tile) && check_row(row) ? tile * CHIP_ROWS + row : JOURNAL_ROWS;
}

static int check_cells(uint32_t cells, uint32_t bytes) {
    if (codes_count(bytes) != CELL_CODES) {
        refuse(OHMLOOM_ERROR_BAD_LENGTH, codes_count(bytes));
        return 0;
    }
    int32_t least = 0;
    int bad = 0;
    for (uint32_t index = 0; index < CELL_CODES; index += 2) {
        const int32_t target = code_at(cells, index), tolerance = code_at(cells, index + 1);
        bad |= tolerance < 0 || (tolerance > 0 && target < 0);
        least = target < least ? target : least;
        least = tolerance < least ? tolerance : least;
    }
    if (bad) {
        refuse(OHMLOOM_ERROR_BAD_VALUE, least);
    }
    return !bad;
}

uint32_t run_load(const struct request *request) {
    const uint32_t cells = request->payload + OHMLOOM_RUN_LOAD_REQUEST_CELLS_OFFSET;
    const uint32_t row = checked_row(request);
    if (row == JOURNAL_ROWS || !check_cells(cells, request->length - OHMLOOM_RUN_LOAD_REQUEST_CELLS_OFFSET)) {
        return REFUSED;
    }
    const uint32_t state = journal_state(row);
    if (!journal_run()->number || state != OHMLOOM_ROW_STATE_EMPTY || !journal_load(row, request->payload)) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, state);
    }
    if (row < next_row) {
        next_row = row;
        targets_expect_these(row, request->payload);
    }
    return 0;
}

/* One attempt at a row. */

/* Whole words, from RAM to the store. */
static void put_words(uint32_t to, const void *from, uint32_t bytes) {
    const uint32_t *words = from;
    const uint32_t end = to + bytes;
    /* The loop itself takes as long as what it does. */
    for (; to + 16 <= end; to += 16, words += 4) {
        write32(to, words[0]);
        write32(to + 4, words[1]);
        write32(to + 8, words[2]);
        write32(to + 12, words[3]);
    }
    for (; to < end; to += 4) {
        write32(to, *words++);
    }
}

/* Whole words, from the store to RAM. */
static void take_words(void *to, uint32_t from, uint32_t bytes) {
    uint32_t *words = to;
    for (const uint32_t end = from + bytes; from < end; from += 4) {
        *words++ = read32(from);
    }
}

static void wait_for_call(void) {
    int more = 1;
    while (call_under_way()) {
        more = more && use_flash();
    }
}

/* Why the command processor has refused a call. */
static NOT_INLINE uint32_t refuse_too(const struct request *request) {
    return refuse(read8(request->answer + OHMLOOM_ERROR_PAYLOAD_CODE_OFFSET),
                  (int32_t)word_at(request->answer + OHMLOOM_ERROR_PAYLOAD_DETAIL_OFFSET));
}

static int arm(const struct request *request) {
    const uint32_t key = journal_run()->key, value = request->payload + OHMLOOM_WRITE_REGISTERS_REQUEST_VALUES_OFFSET;
    write16(request->payload + OHMLOOM_WRITE_REGISTERS_REQUEST_ADDRESS_OFFSET, OHMLOOM_REGISTER_ARM / 4);
    write16(value, (uint16_t)key);
    write16(value + 2, (uint16_t)(key >> 16));
    call_begin(OHMLOOM_COMMAND_WRITE_REGISTERS, OHMLOOM_WRITE_REGISTERS_REQUEST_VALUES_OFFSET + 4);
    wait_for_call();
    return call_answered();
}

static void engine_begin(const struct request *request, const uint8_t *targets, uint32_t command, uint32_t bytes) {
    put_words(request->payload, targets, bytes);
    call_begin(command, bytes);
}

static NOT_INLINE int form_begin(const struct request *request, const uint8_t *targets) {
    if (!arm(request)) {
        return 0;
    }
    engine_begin(request, targets, OHMLOOM_COMMAND_FORM, TARGETS_MASK_BYTES);
    return 1;
}

/* Starts the engine. Answers 0 when it was refused. */
static int attempt_begin(const struct request *request, const uint8_t *targets) {
    if (journal_run()->kind == OHMLOOM_RUN_KIND_FORM) {
        return form_begin(request, targets);
    }
    engine_begin(request, targets, OHMLOOM_COMMAND_PROGRAM, CHIP_TARGET_BYTES);
    return 1;
}

/* Waits for the engine. Answers 0 when it was refused. */
static int attempt_end(void) {
    wait_for_call();
    return call_answered();
}

/* Reports of rows with cells that are tried again. The report of all attempts has the answer's head before it, so that both are copied
 * in whole words. */

#define HEAD OHMLOOM_RUN_NEXT_ANSWER_CELLS_OFFSET

static uint32_t report_words[(HEAD + CELLS_BYTES + 3) / 4]; /* of all attempts */
static uint32_t latest_words[(CELLS_BYTES + 3) / 4];        /* of the last one */

static uint8_t *report_cells(void) {
    return (uint8_t *)report_words + HEAD;
}

static int failed(const uint8_t *cell) {
    return cell_failed(cell[OHMLOOM_PROGRAM_ANSWER_CELLS_STATUS_OFFSET]);
}

/* Those that the last attempt has mended, or that never failed, are left alone. latest: NULL when there has been one attempt only. */
static void choose_failed(uint8_t *targets, const uint8_t *latest) {
    const uint8_t *cell = report_cells();
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++, cell += CELL_BYTES) {
        if (latest ? failed(cell) && !failed(latest) : !failed(cell)) {
            targets_leave(targets, column);
        }
        if (latest) {
            latest += CELL_BYTES;
        }
    }
}

/* Cells that had failed took part in the last attempt: its status and code, and pulses of both. */
static void merge_latest(void) {
    const uint8_t *latest = (const uint8_t *)latest_words;
    uint8_t *cell = report_cells();
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++, latest += CELL_BYTES, cell += CELL_BYTES) {
        if (!failed(cell)) {
            continue;
        }
        uint8_t *pulses = cell + OHMLOOM_PROGRAM_ANSWER_CELLS_PULSES_OFFSET;
        const uint8_t *more = latest + OHMLOOM_PROGRAM_ANSWER_CELLS_PULSES_OFFSET;
        uint32_t sum = (pulses[0] | (uint32_t)pulses[1] << 8) + (more[0] | (uint32_t)more[1] << 8);
        if (sum > UINT16_MAX) {
            sum = UINT16_MAX;
        }
        pulses[0] = (uint8_t)sum;
        pulses[1] = (uint8_t)(sum >> 8);
        cell[OHMLOOM_PROGRAM_ANSWER_CELLS_STATUS_OFFSET] = latest[OHMLOOM_PROGRAM_ANSWER_CELLS_STATUS_OFFSET];
        cell[OHMLOOM_PROGRAM_ANSWER_CELLS_CODE_OFFSET] = latest[OHMLOOM_PROGRAM_ANSWER_CELLS_CODE_OFFSET];
        cell[OHMLOOM_PROGRAM_ANSWER_CELLS_CODE_OFFSET + 1] = latest[OHMLOOM_PROGRAM_ANSWER_CELLS_CODE_OFFSET + 1];
    }
}

/* RUN_NEXT. */

/* Attempts after the first, whose report is in the answer's place, until all cells have converged, retries are used up, or the latch is
 * set. Leaves the report of all in its place. Answers how many there were, or REFUSED; *found: as `cells_found`, of the first, then of
 * the last. */
static NOT_INLINE uint32_t try_again(const struct request *request, uint8_t *targets, uint32_t *found) {
    const uint8_t *latest = NULL;
    uint32_t attempts = 0;
    take_words(report_words, request->answer, sizeof report_words);
    while (*found == CELLS_FAILED && attempts < journal_run()->retries) {
        choose_failed(targets, latest);
        const int begun = attempt_begin(request, targets);
        if (latest) {
            merge_latest();
        }
        if (!begun || !attempt_end()) {
            return REFUSED;
        }
        latest = (const uint8_t *)latest_words;
        take_words(latest_words, request->answer, sizeof latest_words);
        *found = cells_found(request->answer);
        attempts++;
    }
    merge_latest();
    put_words(request->answer, report_words, sizeof report_words);
    return attempts;
}

static void note_done(uint32_t row, uint32_t found, uint32_t report) {
    uint8_t bad[CHIP_BAD_BYTES] = {0};
    journal_settle();
    journal_done(row, bad, found ? cells_bad(report, bad) : 0);
}

_Static_assert(OHMLOOM_RUN_NEXT_ANSWER_TILE_OFFSET == OHMLOOM_RUN_LOAD_REQUEST_TILE_OFFSET &&
                   OHMLOOM_RUN_NEXT_ANSWER_ROW_OFFSET == OHMLOOM_RUN_LOAD_REQUEST_ROW_OFFSET &&
                   OHMLOOM_RUN_NEXT_ANSWER_ATTEMPTS_OFFSET == 3 && OHMLOOM_RUN_NEXT_ANSWER_LEFT_OFFSET == 4,
               "an answer begins as its row's targets do");

/* The answer's first bytes. row: those of its targets, in a whole word. */
static uint32_t put_head(uint32_t answer, uint32_t row, uint32_t attempts) {
    const struct progress *progress = journal_progress();
    write32(answer, row);
    write8(answer + OHMLOOM_RUN_NEXT_ANSWER_ATTEMPTS_OFFSET, (uint8_t)attempts);
    write16(answer + OHMLOOM_RUN_NEXT_ANSWER_LEFT_OFFSET, (uint16_t)(progress->loaded - progress->done));
    return HEAD;
}

/* For the time in which the engine works. Answers the row that comes after this one. */
static NOT_INLINE uint32_t look_ahead(uint32_t row) {
    journal_begun(row);
    const uint32_t after = journal_open(row + 1);
    targets_expect(after);
    return after;
}

uint32_t run_next(const struct request *request) {
    const uint32_t row = next_row;
    if (row == JOURNAL_ROWS) {
        return put_head(request->answer, OHMLOOM_NO_ROW << 8 * OHMLOOM_RUN_NEXT_ANSWER_ROW_OFFSET, 0);
    }
    uint8_t *targets = targets_take(row);
    const int begun = attempt_begin(request, targets);
    const uint32_t after = look_ahead(row);
    if (!begun || !attempt_end()) {
        return refuse_too(request);
    }
    uint32_t attempts = 1, found = cells_move(request->answer, HEAD);
    if (found == CELLS_FAILED && journal_run()->retries) {
        const uint32_t more = try_again(request, targets, &found);
        if (more == REFUSED) {
            return refuse_too(request);
        }
        attempts += more;
    }
    if (!(found & CELLS_TRIPPED)) {
        note_done(row, found, request->answer + HEAD);
        next_row = after;
    }
    return put_head(request->answer, *(const uint32_t *)targets, attempts) + CELLS_BYTES;
}

uint32_t run_status(const struct request *request) {
    const uint32_t answer = request->answer;
    const struct progress *progress = journal_progress();
    put_word(answer + OHMLOOM_RUN_STATUS_ANSWER_RUN_OFFSET, journal_run()->number);
    write8(answer + OHMLOOM_RUN_STATUS_ANSWER_KIND_OFFSET, journal_run()->kind);
    put_half(answer + OHMLOOM_RUN_STATUS_ANSWER_LOADED_OFFSET, progress->loaded);
    put_half(answer + OHMLOOM_RUN_STATUS_ANSWER_DONE_OFFSET, progress->done);
    put_half(answer + OHMLOOM_RUN_STATUS_ANSWER_BEGUN_OFFSET, progress->begun);
    put_word(answer + OHMLOOM_RUN_STATUS_ANSWER_BAD_OFFSET, progress->bad);
    return OHMLOOM_RUN_STATUS_ANSWER_BYTES;
}

static uint32_t bit_of(const uint8_t *bad, uint32_t column) {
    return bad[column >> 3] >> (column & 7) & 1;
}

uint32_t run_row(const struct request *request) {
    const uint32_t row = checked_row(request);
    if (row == JOURNAL_ROWS) {
        return REFUSED;
    }
    uint8_t bad[CHIP_BAD_BYTES] = {0};
    const uint32_t state = journal_state(row);
    if (state == OHMLOOM_ROW_STATE_DONE) {
        journal_bad(row, bad);
    }
    write8(request->answer + OHMLOOM_RUN_ROW_ANSWER_STATE_OFFSET, (uint8_t)state);
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        write8(request->answer + OHMLOOM_RUN_ROW_ANSWER_BAD_OFFSET + column, (uint8_t)bit_of(bad, column));
    }
    return OHMLOOM_RUN_ROW_ANSWER_BAD_OFFSET + CHIP_COLUMNS;
}

/* REFRESH. */

/* Leaves the cells alone that are within their tolerance, or bad. Answers how many are not. */
static uint32_t choose_drifted(uint8_t *targets, uint32_t codes, const uint8_t *bad) {
    uint32_t drifted = 0;
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        const int32_t tolerance = targets_tolerance(targets, column);
        const int32_t error = code_at(codes, column) - targets_target(targets, column);
        if (tolerance > 0 && (error > tolerance || -error > tolerance) && !bit_of(bad, column)) {
            drifted++;
        } else {
            targets_leave(targets, column);
        }
    }
    return drifted;
}

/* A report of cells that were read only. The codes lie where it begins, so it is written from its end on. */
static void put_codes(uint32_t report, uint32_t codes) {
    for (uint32_t column = CHIP_COLUMNS; column-- > 0;) {
        const uint32_t cell = report + CELL_BYTES * column, code = (uint32_t)code_at(codes, column);
        write8(cell + OHMLOOM_PROGRAM_ANSWER_CELLS_STATUS_OFFSET, OHMLOOM_CELL_SKIPPED);
        put_half(cell + OHMLOOM_PROGRAM_ANSWER_CELLS_PULSES_OFFSET, 0);
        put_half(cell + OHMLOOM_PROGRAM_ANSWER_CELLS_CODE_OFFSET, code);
    }
}

uint32_t run_refresh(const struct request *request) {
    const uint32_t row = checked_row(request);
    const uint32_t samples = read8(request->payload + OHMLOOM_REFRESH_REQUEST_SAMPLES_OFFSET);
    if (row == JOURNAL_ROWS) {
        return REFUSED;
    }
    if (samples < 1 || samples > 64) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, samples);
    }
    const uint32_t state = journal_state(row);
    if (journal_run()->kind == OHMLOOM_RUN_KIND_FORM) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, OHMLOOM_RUN_KIND_FORM);
    }
    if (state != OHMLOOM_ROW_STATE_DONE) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, state);
    }
    put_half(request->payload + OHMLOOM_READ_REQUEST_ROWS_OFFSET, 1);
    write8(request->payload + OHMLOOM_READ_REQUEST_SAMPLES_OFFSET, (uint8_t)samples);
    call_begin(OHMLOOM_COMMAND_READ, OHMLOOM_READ_REQUEST_BYTES);
    uint8_t *targets = targets_take(row);
    uint8_t bad[CHIP_BAD_BYTES];
    journal_bad(row, bad);
    targets_expect(next_row);
    wait_for_call();
    if (!call_answered()) {
        return refuse_too(request);
    }
    const uint32_t drifted = choose_drifted(targets, request->answer, bad);
    if (drifted) {
        put_words(request->payload, targets, CHIP_TARGET_BYTES);
        call_begin(OHMLOOM_COMMAND_PROGRAM, CHIP_TARGET_BYTES);
        wait_for_call();
        if (!call_answered()) {
            return refuse_too(request);
        }
        cells_move(request->answer, OHMLOOM_REFRESH_ANSWER_CELLS_OFFSET);
    } else {
        put_codes(request->answer + OHMLOOM_REFRESH_ANSWER_CELLS_OFFSET, request->answer);
    }
    put_half(request->answer + OHMLOOM_REFRESH_ANSWER_DRIFTED_OFFSET, drifted);
    return OHMLOOM_REFRESH_ANSWER_CELLS_OFFSET + CELLS_BYTES;
}
