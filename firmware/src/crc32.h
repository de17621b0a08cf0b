/* CRC-32, as zlib has it. */
#ifndef CRC32_H
#define CRC32_H

#include <stdint.h>

#define CRC32_START UINT32_MAX

/* One more byte; the CRC is the complement of what comes out at the end. */
uint32_t crc32_next(uint32_t crc, uint32_t byte);

/* Of bytes at an address. */
uint32_t crc32(uint32_t at, uint32_t bytes);

#endif
