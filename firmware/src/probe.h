/* Measurements: one row, the reference row or none is driven, columns are converted, each column's raw codes are summed. */
#ifndef PROBE_H
#define PROBE_H

#include <stdint.h>

#include "chip.h"

#define PROBE_REFERENCE_ROW CHIP_ROWS
#define PROBE_LAST_SLOT ((CHIP_COLUMNS - 1) / CHIP_COLUMN_ADCS)

/* Columns in slots first .. last are converted. rows: 0 with no word line on, else 1. */
void probe_select(uint32_t tile, uint32_t row, uint32_t rows, uint32_t range, uint32_t first_slot, uint32_t last_slot);

/* Drives and converts `count` times, 1 .. 16. Answers how many samples sat at a converter's end. */
uint32_t probe(int32_t code, uint32_t count);

int32_t probe_sum(uint32_t column);

/* Address of a column's CORRECTION record. */
uint32_t correction_at(uint32_t tile, uint32_t range, uint32_t column);

#endif
