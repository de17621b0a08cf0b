/* Access to the core's bus. On the host, tests put models of the devices behind these functions. */
#ifndef HW_H
#define HW_H

#include <stdint.h>

#include "core.h"

#ifdef OHMLOOM_HOST

uint32_t read32(uint32_t address);
uint16_t read16(uint32_t address);
uint8_t read8(uint32_t address);
void write32(uint32_t address, uint32_t value);
void write16(uint32_t address, uint16_t value);
void write8(uint32_t address, uint8_t value);

#else

static inline uint32_t read32(uint32_t address) {
    return *(volatile uint32_t *)address;
}

static inline uint16_t read16(uint32_t address) {
    return *(volatile uint16_t *)address;
}

static inline uint8_t read8(uint32_t address) {
    return *(volatile uint8_t *)address;
}

static inline void write32(uint32_t address, uint32_t value) {
    *(volatile uint32_t *)address = value;
}

static inline void write16(uint32_t address, uint16_t value) {
    *(volatile uint16_t *)address = value;
}

static inline void write8(uint32_t address, uint8_t value) {
    *(volatile uint8_t *)address = value;
}

#endif

/* A value that the compiler knows nothing of. It would keep parts of it across calls where it could make them anew, or gather bits with
 * masks and shifts, and the core takes two cycles to shift by one bit. */
static inline uint32_t opaque(uint32_t value) {
    __asm__("" : "+r"(value));
    return value;
}

/* A field of a register's value, and a value in its field. */
#define FIELD_GET(name, value) (((value) & name##_MASK) >> name##_SHIFT)
#define FIELD(name, value) (((uint32_t)(value) << name##_SHIFT) & name##_MASK)

#endif
