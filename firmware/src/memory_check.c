#include "memory_check.h"

#include "hw.h"

/* Each bit of each word takes either value. */
uint32_t memory_check(uint32_t *word) {
    for (uint32_t at = CORE_RAM_BASE + CORE_STAGE_OFFSET; at < CORE_RAM_BASE + CORE_RAM_BYTES; at += 4) {
        const uint32_t content = read32(at);
        write32(at, ~content);
        const uint32_t inverted = read32(at);
        write32(at, content);
        const uint32_t wrong = (inverted ^ ~content) | (read32(at) ^ content);
        if (wrong) {
            *word = (at - CORE_RAM_BASE) / 4;
            return wrong;
        }
    }
    return 0;
}
