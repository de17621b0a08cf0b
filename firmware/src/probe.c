#include "probe.h"

#include "hw.h"
#include "ohmloom.h"

void probe_select(uint32_t tile, uint32_t row, uint32_t rows, uint32_t range, uint32_t first_slot, uint32_t last_slot) {
    write32(CORE_REGISTER_DRIVE,
            FIELD(CORE_REGISTER_DRIVE_FIRST_ROW, row) | FIELD(CORE_REGISTER_DRIVE_ROWS, rows) |
                FIELD(CORE_REGISTER_DRIVE_TILE, tile) | FIELD(CORE_REGISTER_DRIVE_TIA_RANGE, range) |
                FIELD(CORE_REGISTER_DRIVE_FIRST_SLOT, first_slot) | FIELD(CORE_REGISTER_DRIVE_LAST_SLOT, last_slot));
}

uint32_t probe(int32_t code, uint32_t count) {
    write32(CORE_REGISTER_PROBE, FIELD(CORE_REGISTER_PROBE_CODE, code) | FIELD(CORE_REGISTER_PROBE_COUNT, count));
    while (read32(CORE_REGISTER_STATUS) & CORE_REGISTER_STATUS_PROBING_MASK) {
    }
    return read32(CORE_REGISTER_PROBE);
}

int32_t probe_sum(uint32_t column) {
    return (int32_t)read32(CORE_SUMS_BASE + 4 * column);
}

uint32_t correction_at(uint32_t tile, uint32_t range, uint32_t column) {
    const uint32_t index = (tile * CHIP_RANGES + range) * CHIP_COLUMNS + column;
    return CORE_STORE_BASE + CHIP_CORRECTION_OFFSET + OHMLOOM_CORRECTION_BYTES * index;
}
