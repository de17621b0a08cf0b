/* The targets of two rows, in RAM: of the one that is under way and of the one that comes next. */
#ifndef TARGETS_H
#define TARGETS_H

#include <stdint.h>

#include "chip.h"

#define TARGETS_NO_ROW UINT32_MAX

/* Forgets both: flash has others. */
void targets_forget(void);

/* The payload of the row's RUN_LOAD, CHIP_TARGET_BYTES, at a multiple of 4 and followed by zeros up to one. It may be changed, until the
 * next `targets_take`. */
uint8_t *targets_take(uint32_t row);

/* From now on, `targets_fetch` reads this row's. */
void targets_expect(uint32_t row);

/* Reads some bytes of the expected row, when flash is not busy: for spare time. */
void targets_fetch(void);

/* Whether a cell is to be written; leaves a cell alone. */
int targets_wanted(const uint8_t *targets, uint32_t column);
void targets_leave(uint8_t *targets, uint32_t column);

int32_t targets_target(const uint8_t *targets, uint32_t column);
int32_t targets_tolerance(const uint8_t *targets, uint32_t column);

#endif
