#include "calibrate.h"

#include "arithmetic.h"
#include "checks.h"
#include "chip.h"
#include "hw.h"
#include "ohmloom.h"
#include "probe.h"
#include "trip.h"

#define FRACTION_SHIFT 4u /* log2(CALIBRATION_SAMPLES) less FRACTION_BITS */
#define RESIDUAL_SHIFT 20u

_Static_assert(CORE_CALIBRATION_SAMPLES == 1 << (FRACTION_SHIFT + OHMLOOM_FRACTION_BITS), "offsets are shifted sums");
_Static_assert(CORE_CALIBRATION_SAMPLES % CORE_PROBE_COUNT == 0, "sums are of whole probes");

static const uint8_t probes[CHIP_RANGES] = CHIP_CALIBRATION_PROBES;
static const uint64_t calibration_swings[CHIP_RANGES] = CHIP_CALIBRATION_SWINGS;
static const uint64_t residual_swings[CHIP_RANGES] = CHIP_RESIDUAL_SWINGS;

static int32_t offsets[CHIP_COLUMNS], swings[CHIP_COLUMNS];

struct report {
    uint32_t offset, gain_error, residual, failed;
};

static uint32_t larger(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static uint32_t limited(uint32_t value, uint32_t most) {
    return value < most ? value : most;
}

/* Adds each column's sum over `count` times CALIBRATION_SAMPLES drives. */
static void measure(int32_t *sums, int32_t code, uint32_t count, int sign) {
    for (uint32_t left = count * (CORE_CALIBRATION_SAMPLES / CORE_PROBE_COUNT); left; left--) {
        probe(code, CORE_PROBE_COUNT);
        for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
            const int32_t sum = probe_sum(column);
            sums[column] += sign < 0 ? -sum : sum;
        }
    }
}

static void clear(int32_t *sums) {
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        sums[column] = 0;
    }
}

static void measure_offsets(uint32_t tile, uint32_t range) {
    clear(offsets);
    probe_select(tile, PROBE_REFERENCE_ROW, 0, range, 0, PROBE_LAST_SLOT);
    measure(offsets, 0, 1, 1);
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        offsets[column] = (offsets[column] + (1 << (FRACTION_SHIFT - 1))) >> FRACTION_SHIFT;
    }
}

static void measure_swings(uint32_t tile, uint32_t range, uint32_t count) {
    clear(swings);
    probe_select(tile, PROBE_REFERENCE_ROW, 1, range, 0, PROBE_LAST_SLOT);
    measure(swings, CHIP_READ_CLAMP, count, 1);
    measure(swings, -CHIP_READ_CLAMP, count, -1);
}

/* Stores a column's correction. Answers whether it is within bounds. */
static int correct_column(uint32_t correction, uint32_t column, uint32_t range, struct report *report) {
    const uint32_t swing = swings[column] > 0 ? (uint32_t)swings[column] : 1;
    const uint32_t gain = divide_wide(calibration_swings[range] + swing / 2, swing);
    const uint32_t gain_error = gain > OHMLOOM_GAIN_ONE ? gain - OHMLOOM_GAIN_ONE : OHMLOOM_GAIN_ONE - gain;
    const uint32_t offset = magnitude(offsets[column]);
    const int good = offset <= CHIP_OFFSET_BOUND && gain_error <= CHIP_GAIN_BOUND;
    report->offset = larger(report->offset, offset);
    report->gain_error = larger(report->gain_error, gain_error);
    report->failed += !good;
    write16(correction + OHMLOOM_CORRECTION_OFFSET_OFFSET, good ? (uint16_t)offsets[column] : 0);
    write16(correction + OHMLOOM_CORRECTION_GAIN_OFFSET, good ? (uint16_t)gain : OHMLOOM_GAIN_ONE);
    return good;
}

static uint32_t residual(uint32_t correction, uint32_t column, uint32_t range) {
    const uint32_t gain = read16(correction + OHMLOOM_CORRECTION_GAIN_OFFSET);
    const uint64_t product = multiply_wide(magnitude(swings[column]), gain);
    const uint64_t wanted = residual_swings[range];
    const uint64_t left = swings[column] < 0 ? wanted + product : product > wanted ? product - wanted : wanted - product;
    return (uint32_t)(left >> RESIDUAL_SHIFT);
}

static int calibrate_range(uint32_t tile, uint32_t range, struct report *report) {
    static uint8_t good[CHIP_COLUMNS];
    const uint32_t corrections = correction_at(tile, range, 0);
    measure_offsets(tile, range);
    measure_swings(tile, range, probes[range]);
    if (trip_seen()) {
        return 0;
    }
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        good[column] = (uint8_t)correct_column(corrections + OHMLOOM_CORRECTION_BYTES * column, column, range, report);
    }
    measure_swings(tile, range, 1);
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        if (good[column]) {
            report->residual =
                larger(report->residual, residual(corrections + OHMLOOM_CORRECTION_BYTES * column, column, range));
        }
    }
    return !trip_seen();
}

uint32_t calibrate(const struct request *request) {
    const uint32_t tile = read8(request->payload + OHMLOOM_CALIBRATE_REQUEST_TILE_OFFSET);
    if (!check_tile(tile)) {
        return REFUSED;
    }
    struct report report = {0, 0, 0, 0};
    for (uint32_t range = 0; range < CHIP_RANGES; range++) {
        if (!calibrate_range(tile, range, &report)) {
            return trip_refuse();
        }
    }
    const uint32_t answer = request->answer;
    put_half(answer + OHMLOOM_CALIBRATE_ANSWER_OFFSET_MAX_OFFSET, limited(report.offset, INT16_MAX));
    put_half(answer + OHMLOOM_CALIBRATE_ANSWER_GAIN_ERROR_MAX_OFFSET, limited(report.gain_error, UINT16_MAX));
    put_half(answer + OHMLOOM_CALIBRATE_ANSWER_RESIDUAL_MAX_OFFSET, limited(report.residual, UINT16_MAX));
    put_half(answer + OHMLOOM_CALIBRATE_ANSWER_FAILED_OFFSET, report.failed);
    return OHMLOOM_CALIBRATE_ANSWER_BYTES;
}
