/* Reports of a row's cells, as PROGRAM and FORM answer them. */
#ifndef CELLS_H
#define CELLS_H

#include <stdint.h>

#include "chip.h"
#include "ohmloom.h"

#define CELL_BYTES OHMLOOM_PROGRAM_ANSWER_CELLS_BYTES
#define CELLS_BYTES (CHIP_COLUMNS * CELL_BYTES)

/* What a report has among its cells. */
#define CELLS_FAILED 2u
#define CELLS_TRIPPED 4u

/* Which of those a report at this address has. */
uint32_t cells_found(uint32_t report);

/* One bit a column, CHIP_BAD_BYTES: of the cells that ended without having converged. Answers how many they are. */
uint32_t cells_bad(uint32_t report, uint8_t *bad);

/* Whether a cell ended without having converged. */
int cell_failed(uint32_t status);

/* A report at a multiple of 4 moves up by an even number of bytes. Answers what it has, as `cells_found`. */
uint32_t cells_move(uint32_t report, uint32_t by);

#endif
