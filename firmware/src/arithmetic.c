#include "arithmetic.h"

#include "hw.h"
#include "ohmloom.h"

uint64_t multiply_wide(uint32_t a, uint32_t b) {
    uint64_t product = 0, shifted = a;
    for (; b; b >>= 1, shifted += shifted) {
        if (b & 1) {
            product += shifted;
        }
    }
    return product;
}

uint32_t divide_wide(uint64_t dividend, uint32_t divisor) {
    uint32_t rest = (uint32_t)(dividend >> 32), low = (uint32_t)dividend;
    if (rest >= divisor) {
        return UINT32_MAX;
    }
    /* Shifts the quotient into the dividend's place. */
    for (uint32_t bit = 0; bit < 32; bit++) {
        const uint32_t carry = rest >> 31;
        rest = rest << 1 | low >> 31;
        low <<= 1;
        if (carry || rest >= divisor) {
            rest -= divisor;
            low |= 1;
        }
    }
    return low;
}

int32_t scale(int32_t value, uint32_t gain, uint32_t round) {
    /* In two parts, so that 32 bits hold each; rounding down commutes with adding whole numbers. */
    const uint32_t high = gain * magnitude(value >> 8);
    const uint32_t low = (gain * (value & 0xFF) + round) >> 8;
    return ((value < 0 ? -(int32_t)high : (int32_t)high) + (int32_t)low) >> (OHMLOOM_GAIN_BITS - 8);
}

int32_t correct(int32_t raw, uint32_t correction) {
    const int32_t offset = (int16_t)read16(correction + OHMLOOM_CORRECTION_OFFSET_OFFSET);
    const uint32_t gain = read16(correction + OHMLOOM_CORRECTION_GAIN_OFFSET);
    return scale(raw - offset, gain, 1 << (OHMLOOM_GAIN_BITS - 1));
}

uint32_t count_ones(uint32_t bits) {
    /* In fields of 2, 4 and 8 bits, then their sum. */
    bits -= bits >> 1 & 0x55555555;
    bits = (bits & 0x33333333) + (bits >> 2 & 0x33333333);
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F;
    bits += bits >> 8;
    return (bits + (bits >> 16)) & 0x3F;
}
