#include "iv.h"

#include "arithmetic.h"
#include "checks.h"
#include "chip.h"
#include "codes.h"
#include "hw.h"
#include "ohmloom.h"
#include "probe.h"
#include "trip.h"

static int check_codes(uint32_t codes, uint32_t count) {
    if (count == 0) {
        refuse(OHMLOOM_ERROR_BAD_LENGTH, 0);
        return 0;
    }
    int32_t worst = 0;
    for (uint32_t index = 0; index < count; index++) {
        const int32_t code = code_at(codes, index);
        if (magnitude(code) > magnitude(worst)) {
            worst = code;
        }
    }
    if (magnitude(worst) > CHIP_READ_CLAMP) {
        refuse(OHMLOOM_ERROR_BAD_CODE, worst);
        return 0;
    }
    return 1;
}

static int32_t limited(int32_t value) {
    return value < INT16_MIN ? INT16_MIN : value > INT16_MAX ? INT16_MAX : value;
}

uint32_t iv_sweep(const struct request *request) {
    const uint32_t tile = read8(request->payload + OHMLOOM_IV_REQUEST_TILE_OFFSET);
    const uint32_t row = half_at(request->payload + OHMLOOM_IV_REQUEST_ROW_OFFSET);
    const uint32_t column = half_at(request->payload + OHMLOOM_IV_REQUEST_COLUMN_OFFSET);
    const uint32_t range = read8(request->payload + OHMLOOM_IV_REQUEST_RANGE_OFFSET);
    const uint32_t codes = request->payload + OHMLOOM_IV_REQUEST_CODES_OFFSET;
    const uint32_t count = codes_count(request->length - OHMLOOM_IV_REQUEST_CODES_OFFSET);
    if (!check_tile(tile) || !check_row(row) || !check_below(column, CHIP_COLUMNS, OHMLOOM_ERROR_BAD_ADDRESS) ||
        !check_below(range, CHIP_RANGES, OHMLOOM_ERROR_BAD_VALUE) || !check_codes(codes, count)) {
        return REFUSED;
    }
    const uint32_t length = OHMLOOM_IV_ANSWER_CODES_OFFSET + 2 * count;
    if (length > CHIP_PAYLOAD_BYTES) {
        return refuse(OHMLOOM_ERROR_ANSWER_TOO_LONG, count);
    }
    const uint32_t slot = column / CHIP_COLUMN_ADCS, correction = correction_at(tile, range, column);
    const uint32_t points = request->answer + OHMLOOM_IV_ANSWER_CODES_OFFSET;
    uint32_t saturated = 0;
    probe_select(tile, row, 1, range, slot, slot);
    for (uint32_t index = 0; index < count; index++) {
        saturated += probe(code_at(codes, index), CORE_IV_SAMPLES);
        write16(points + 2 * index, (uint16_t)limited(correct(probe_sum(column), correction)));
    }
    if (trip_seen()) {
        return trip_refuse();
    }
    write16(request->answer + OHMLOOM_IV_ANSWER_SATURATED_OFFSET, (uint16_t)(saturated > UINT16_MAX ? UINT16_MAX : saturated));
    return length;
}
