/* The targets of two rows, in RAM: of the one that is under way and of the one that comes next. */
#ifndef TARGETS_H
#define TARGETS_H

#include <stdint.h>

#include "chip.h"
#include "ohmloom.h"

#define TARGETS_NO_ROW UINT32_MAX

/* Forgets both: flash has others. */
void targets_forget(void);

/* The payload of the row's PROGRAM, or of its FORM with a mask, at a multiple of 4 and in whole words. It stays until the next
 * `targets_take`. */
const uint8_t *targets_take(uint32_t row);

#define TARGETS_MASK_BYTES (OHMLOOM_FORM_REQUEST_MASK_OFFSET + CHIP_COLUMNS)

/* From now on, `targets_fetch` reads this row's. */
void targets_expect(uint32_t row);

/* The same, and here they are: at an address, as RUN_LOAD brings them. */
void targets_expect_these(uint32_t row, uint32_t payload);

/* For spare time, when flash is free: reads some bytes of the expected row. Answers 0 when all are there. */
int targets_fetch(void);

/* In the payload of a PROGRAM at this address a cell is left alone. */
void targets_leave(uint32_t payload, uint32_t column);

/* All cells are, but those of these columns: one bit each, CHIP_BAD_WORDS. The payload, of a PROGRAM or a FORM, is that of `targets`, or has
 * had others left alone. */
void targets_leave_all_but(uint32_t payload, const uint8_t *targets, const uint32_t *columns);

/* Of a PROGRAM's payload. */
int32_t targets_target(const uint8_t *targets, uint32_t column);
int32_t targets_tolerance(const uint8_t *targets, uint32_t column);

#endif
