/* Packed signed 12-bit codes: two in three bytes, the first in the low bits. */
#ifndef CODES_H
#define CODES_H

#include <stdint.h>

/* Bytes of this many. */
#define CODES_BYTES(count) ((3 * (count) + 1) / 2)

/* Whether so many bytes are whole codes; how many. */
int codes_whole(uint32_t bytes);
uint32_t codes_count(uint32_t bytes);

int32_t code_at(uint32_t codes, uint32_t index);

#endif
