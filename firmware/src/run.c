/* Runs over rows. What a row needs of flash is read while the row before is written, and flash is written while the engine works. */
#include "run.h"

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
#define CELL_BYTES OHMLOOM_PROGRAM_ANSWER_CELLS_BYTES
#define CELLS_BYTES (CHIP_COLUMNS * CELL_BYTES) /* of a report: what PROGRAM and FORM answer */
/* Where they are in the slot of the answer to RUN_NEXT: of the first attempt, and of one after it. */
#define HEAD OHMLOOM_RUN_NEXT_ANSWER_CELLS_OFFSET
#define AGAIN (MAILBOX_UPPER + HEAD)
_Static_assert(HEAD % 2 == 0 && HEAD / 2 <= CORE_REGISTER_CALL_HEAD_MASK >> CORE_REGISTER_CALL_HEAD_SHIFT, "a report can begin there");
_Static_assert(HEAD + CELLS_BYTES <= MAILBOX_UPPER, "two reports fit a slot");
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
    for (; to + 4 * 16 <= end; to += 4 * 16, words += 16) {
#pragma GCC unroll 16
        for (uint32_t index = 0; index < 16; index++) {
            write32(to + 4 * index, words[index]);
        }
    }
    for (; to < end; to += 4) {
        write32(to, *words++);
    }
}

/* Waits for the call. Answers 0 when it was refused. */
static int call_end(void) {
    int more = 1;
    while (call_under_way()) {
        more = more && use_flash();
    }
    return call_answered();
}

/* Why the command processor has refused a call, whose answer is at this address. */
static NOT_INLINE uint32_t refuse_too(uint32_t answer) {
    return refuse(read8(answer + OHMLOOM_ERROR_PAYLOAD_CODE_OFFSET), (int32_t)word_at(answer + OHMLOOM_ERROR_PAYLOAD_DETAIL_OFFSET));
}

static int arm(const struct request *request, uint32_t place) {
    const uint32_t key = journal_run()->key, value = request->payload + OHMLOOM_WRITE_REGISTERS_REQUEST_VALUES_OFFSET;
    write16(request->payload + OHMLOOM_WRITE_REGISTERS_REQUEST_ADDRESS_OFFSET, OHMLOOM_REGISTER_ARM / 4);
    write16(value, (uint16_t)key);
    write16(value + 2, (uint16_t)(key >> 16));
    call_begin(OHMLOOM_COMMAND_WRITE_REGISTERS, OHMLOOM_WRITE_REGISTERS_REQUEST_VALUES_OFFSET + 4, place);
    while (call_under_way()) { /* shorter than anything that flash is used for */
    }
    return call_answered();
}

/* Starts the engine. failed: of the attempt before, whose payload is still in its place unless another has been put there; NULL for the
 * first attempt. Answers 0 when it was refused. */
static int attempt_begin(const struct request *request, const uint8_t *targets, const uint32_t *failed) {
    const int forms = journal_run()->kind == OHMLOOM_RUN_KIND_FORM;
    const uint32_t bytes = forms ? TARGETS_MASK_BYTES : CHIP_TARGET_BYTES, place = failed ? AGAIN : HEAD;
    if (forms && !arm(request, place)) {
        return 0;
    }
    if (forms || !failed) {
        put_words(request->payload, targets, bytes);
    }
    if (failed) {
        targets_leave_all_but(request->payload, targets, failed);
    }
    call_begin(forms ? OHMLOOM_COMMAND_FORM : OHMLOOM_COMMAND_PROGRAM, bytes, place);
    return 1;
}

/* A cell's report: of its last attempt, with the pulses of all before. */
static void merge(uint32_t report, uint32_t latest) {
    const uint32_t pulses = OHMLOOM_PROGRAM_ANSWER_CELLS_PULSES_OFFSET, code = OHMLOOM_PROGRAM_ANSWER_CELLS_CODE_OFFSET;
    /* Byte by byte: to shift takes two cycles a bit. */
    uint32_t low = opaque(read8(report + pulses) + read8(latest + pulses));
    uint32_t high = opaque(read8(report + pulses + 1) + read8(latest + pulses + 1));
    if (low > UINT8_MAX) {
        high = opaque(high + 1);
    }
    if (high > UINT8_MAX) {
        low = high = opaque(UINT8_MAX);
    }
    write8(report + pulses, (uint8_t)low);
    write8(report + pulses + 1, (uint8_t)high);
    write8(report + OHMLOOM_PROGRAM_ANSWER_CELLS_STATUS_OFFSET, read8(latest + OHMLOOM_PROGRAM_ANSWER_CELLS_STATUS_OFFSET));
    write8(report + code, read8(latest + code));
    write8(report + code + 1, read8(latest + code + 1));
}

/* Of the cells that took part in an attempt after the first. */
static void merge_tried(const struct request *request, const uint32_t *tried) {
    const uint8_t *eight = (const uint8_t *)tried, *const end = eight + CHIP_BAD_BYTES;
    for (uint32_t reports = request->answer + HEAD; eight != end; eight++, reports += 8 * CELL_BYTES) {
        const uint32_t bits = *eight;
        if (bits) {
#pragma GCC unroll 8
            for (uint32_t index = 0; index < 8; index++) {
                if (bits & 1u << index) {
                    merge(reports + CELL_BYTES * index, reports + CELL_BYTES * index + MAILBOX_UPPER);
                }
            }
        }
    }
}

/* RUN_NEXT. */

/* Attempts after the first, until all cells have converged, retries are used up, or the latch is set. Their reports go beside the first
 * one, which becomes that of all. Answers how many there were, or REFUSED; failed: in the first, then in the last. */
static NOT_INLINE uint32_t try_again(const struct request *request, const uint8_t *targets, uint32_t *failed) {
    for (uint32_t attempts = 1;; attempts++) {
        if (!attempt_begin(request, targets, failed) || !call_end()) {
            return REFUSED;
        }
        merge_tried(request, failed);
        if (!call_failed(failed) || attempts == journal_run()->retries || call_cut()) {
            return attempts;
        }
    }
}

_Static_assert(OHMLOOM_RUN_NEXT_ANSWER_TILE_OFFSET == OHMLOOM_RUN_LOAD_REQUEST_TILE_OFFSET &&
                   OHMLOOM_RUN_NEXT_ANSWER_ROW_OFFSET == OHMLOOM_RUN_LOAD_REQUEST_ROW_OFFSET &&
                   OHMLOOM_RUN_NEXT_ANSWER_ATTEMPTS_OFFSET == 3 && OHMLOOM_RUN_NEXT_ANSWER_LEFT_OFFSET == 4,
               "an answer begins as its row's targets do");

/* The answer's first bytes. row: those of its targets, in a whole word. */
static uint32_t put_head(uint32_t answer, uint32_t row, uint32_t attempts) {
    write32(answer, row);
    write8(answer + OHMLOOM_RUN_NEXT_ANSWER_ATTEMPTS_OFFSET, (uint8_t)attempts);
    write16(answer + OHMLOOM_RUN_NEXT_ANSWER_LEFT_OFFSET, (uint16_t)journal_left());
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
    const uint8_t *targets = targets_take(row);
    const int begun = attempt_begin(request, targets, NULL);
    const uint32_t after = look_ahead(row);
    if (!begun || !call_end()) {
        return refuse_too(request->answer + HEAD);
    }
    uint32_t attempts = 1, failed[CHIP_BAD_WORDS];
    if (call_failed(failed) && journal_run()->retries && !call_cut()) {
        const uint32_t more = try_again(request, targets, failed);
        if (more == REFUSED) {
            return refuse_too(request->answer + AGAIN);
        }
        attempts += more;
    }
    if (!call_cut()) {
        journal_settle();
        journal_done(row, failed);
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

static uint32_t bit_of(const uint32_t *bad, uint32_t column) {
    return ((const uint8_t *)bad)[column >> 3] >> (column & 7) & 1;
}

uint32_t run_row(const struct request *request) {
    const uint32_t row = checked_row(request);
    if (row == JOURNAL_ROWS) {
        return REFUSED;
    }
    uint32_t bad[CHIP_BAD_WORDS] = {0};
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
static uint32_t choose_drifted(uint32_t payload, const uint8_t *targets, uint32_t codes, const uint32_t *bad) {
    uint32_t drifted = 0;
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        const int32_t tolerance = targets_tolerance(targets, column);
        const int32_t error = code_at(codes, column) - targets_target(targets, column);
        if (tolerance > 0 && (error > tolerance || -error > tolerance) && !bit_of(bad, column)) {
            drifted++;
        } else {
            targets_leave(payload, column);
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
    call_begin(OHMLOOM_COMMAND_READ, OHMLOOM_READ_REQUEST_BYTES, 0);
    const uint8_t *targets = targets_take(row);
    uint32_t bad[CHIP_BAD_WORDS];
    journal_bad(row, bad);
    targets_expect(next_row);
    if (!call_end()) {
        return refuse_too(request->answer);
    }
    put_words(request->payload, targets, CHIP_TARGET_BYTES);
    const uint32_t drifted = choose_drifted(request->payload, targets, request->answer, bad);
    if (drifted) {
        call_begin(OHMLOOM_COMMAND_PROGRAM, CHIP_TARGET_BYTES, OHMLOOM_REFRESH_ANSWER_CELLS_OFFSET);
        if (!call_end()) {
            return refuse_too(request->answer + OHMLOOM_REFRESH_ANSWER_CELLS_OFFSET);
        }
    } else {
        put_codes(request->answer + OHMLOOM_REFRESH_ANSWER_CELLS_OFFSET, request->answer);
    }
    put_half(request->answer + OHMLOOM_REFRESH_ANSWER_DRIFTED_OFFSET, drifted);
    return OHMLOOM_REFRESH_ANSWER_CELLS_OFFSET + CELLS_BYTES;
}
