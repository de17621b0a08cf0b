/* The integers of ohmloom.spec.arithmetic and ohmloom.spec.reference, on a core that only adds and shifts. */
#ifndef ARITHMETIC_H
#define ARITHMETIC_H

#include <stdint.h>

uint64_t multiply_wide(uint32_t a, uint32_t b);

/* Rounded down; UINT32_MAX for what is beyond it, and for a divisor of 0. */
uint32_t divide_wide(uint64_t dividend, uint32_t divisor);

/* (value * gain + round) >> GAIN_BITS; value within 18 bits and signed, gain within 16, round within 15. */
int32_t scale(int32_t value, uint32_t gain, uint32_t round);

/* The corrected code of a raw one, both in 1/16. correction: address of a CORRECTION record. */
int32_t correct(int32_t raw, uint32_t correction);

/* How many bits are ones. */
uint32_t count_ones(uint32_t bits);

static inline uint32_t magnitude(int32_t value) {
    return value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
}

#endif
