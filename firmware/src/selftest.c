#include "selftest.h"

#include "arithmetic.h"
#include "chip.h"
#include "hw.h"
#include "memory_check.h"
#include "ohmloom.h"
#include "probe.h"
#include "trip.h"

#define MOST_FINDINGS (CHIP_PAYLOAD_BYTES / OHMLOOM_SELFTEST_ANSWER_FINDINGS_BYTES)

static struct {
    uint32_t answer, count;
} findings;

static void find(uint32_t kind, uint32_t tile, uint32_t index, int32_t value) {
    if (findings.count == MOST_FINDINGS) {
        return;
    }
    const uint32_t at = findings.answer + OHMLOOM_SELFTEST_ANSWER_FINDINGS_BYTES * findings.count++;
    write8(at + OHMLOOM_SELFTEST_ANSWER_FINDINGS_KIND_OFFSET, (uint8_t)kind);
    write8(at + OHMLOOM_SELFTEST_ANSWER_FINDINGS_TILE_OFFSET, (uint8_t)tile);
    put_half(at + OHMLOOM_SELFTEST_ANSWER_FINDINGS_INDEX_OFFSET, index);
    put_word(at + OHMLOOM_SELFTEST_ANSWER_FINDINGS_VALUE_OFFSET, (uint32_t)value);
}

static int beyond_bound(int32_t code) {
    return magnitude(code) > CHIP_OFFSET_BOUND;
}

static int16_t at_rest[CHIP_COLUMNS]; /* sums with no word line on */

static void measure_rest(uint32_t tile) {
    probe_select(tile, PROBE_REFERENCE_ROW, 0, CHIP_VERIFY_RANGE, 0, PROBE_LAST_SLOT);
    probe(0, CORE_SELFTEST_SAMPLES);
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        at_rest[column] = (int16_t)probe_sum(column);
    }
}

static void test_columns(uint32_t tile) {
    probe_select(tile, PROBE_REFERENCE_ROW, 1, CHIP_VERIFY_RANGE, 0, PROBE_LAST_SLOT);
    probe(CHIP_READ_CLAMP, CORE_SELFTEST_SAMPLES);
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        const int32_t reference = correct(probe_sum(column), correction_at(tile, CHIP_VERIFY_RANGE, column));
        if (beyond_bound(at_rest[column])) {
            find(OHMLOOM_FINDING_ADC_CHANNEL, tile, column, at_rest[column]);
        } else if (magnitude(reference - CHIP_REFERENCE_Q4) > CHIP_REFERENCE_BOUND) {
            find(OHMLOOM_FINDING_REFERENCE, tile, column, reference);
        }
    }
}

static void test_row(uint32_t tile, uint32_t row) {
    int32_t largest = 0;
    probe_select(tile, row, 1, CHIP_VERIFY_RANGE, 0, PROBE_LAST_SLOT);
    probe(0, CORE_SELFTEST_SAMPLES);
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        const int32_t difference = probe_sum(column) - at_rest[column];
        if (magnitude(difference) > magnitude(largest)) {
            largest = difference;
        }
    }
    if (beyond_bound(largest)) {
        find(OHMLOOM_FINDING_ROW_SHORT, tile, row, largest);
    }
}

uint32_t selftest(const struct request *request) {
    findings.answer = request->answer;
    findings.count = 0;
    uint32_t word;
    const uint32_t wrong = memory_check(&word);
    if (wrong) {
        find(OHMLOOM_FINDING_MEMORY, 0, word, (int32_t)wrong);
    }
    for (uint32_t tile = 0; tile < CHIP_TILES; tile++) {
        measure_rest(tile);
        test_columns(tile);
        for (uint32_t row = 0; row < CHIP_ROWS; row++) {
            test_row(tile, row);
        }
    }
    if (trip_seen()) {
        return trip_refuse();
    }
    return OHMLOOM_SELFTEST_ANSWER_FINDINGS_BYTES * findings.count;
}
