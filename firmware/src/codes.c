#include "codes.h"

#include "hw.h"

uint32_t codes_count(uint32_t bytes) {
    return 2 * bytes * 43691 >> 17; /* a third, of up to 2 ** 15 */
}

int codes_whole(uint32_t bytes) {
    return CODES_BYTES(codes_count(bytes)) == bytes;
}

int32_t code_at(uint32_t codes, uint32_t index) {
    const uint32_t at = codes + index + index / 2;
    const uint32_t low = read8(at), high = read8(at + 1);
    const uint32_t code = index & 1 ? low >> 4 | high << 4 : low | (high & 15) << 8;
    return (int32_t)(code ^ 0x800) - 0x800;
}
