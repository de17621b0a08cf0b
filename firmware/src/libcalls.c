/* What the compiler calls for: the core does not multiply or divide. */
#include "arithmetic.h"

#include <stddef.h>
#include <stdint.h>

uint32_t __mulsi3(uint32_t a, uint32_t b);
uint32_t __udivsi3(uint32_t a, uint32_t b);
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

uint32_t __mulsi3(uint32_t a, uint32_t b) {
    if (a < b) { /* as few rounds as can be */
        const uint32_t other = a;
        a = b;
        b = other;
    }
    uint32_t product = 0;
    for (; b; b >>= 1, a += a) {
        if (b & 1) {
            product += a;
        }
    }
    return product;
}

uint32_t __udivsi3(uint32_t a, uint32_t b) {
    return divide_wide(a, b);
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    volatile uint8_t *place = to; /* volatile: else this becomes a call of itself */
    const uint8_t *source = from;
    while (bytes--) {
        *place++ = *source++;
    }
    return to;
}

void *memset(void *to, int value, size_t bytes) {
    volatile uint8_t *place = to;
    while (bytes--) {
        *place++ = (uint8_t)value;
    }
    return to;
}
