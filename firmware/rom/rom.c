/* The boot ROM: copies the newest valid image from flash to RAM, checks it there, and starts it. With none it takes one over
 * the link: UPDATE, and BOOT to RAM. All else is refused with NO_FIRMWARE, and so is BOOT of another image than the one that came. */
#include "chip.h"
#include "flash_commands.h"
#include "hw.h"
#include "ohmloom.h"

#define STAGE (CORE_RAM_BASE + CORE_STAGE_OFFSET)
#define NOT_INLINE __attribute__((noinline)) /* calls are smaller than what they call */

void _start(void);

/* The remainders of a CRC-32's nibbles. */
static const uint32_t nibbles[16] = {
    0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
    0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
};

static NOT_INLINE __attribute__((used)) uint32_t flash_exchange(uint32_t byte) {
    write32(CORE_REGISTER_FLASH, byte | CORE_REGISTER_FLASH_SELECT_MASK);
    while (read32(CORE_REGISTER_STATUS) & CORE_REGISTER_STATUS_SHIFTING_MASK) {
    }
    return read32(CORE_REGISTER_FLASH);
}

static NOT_INLINE __attribute__((used)) void flash_deselect(void) {
    write32(CORE_REGISTER_FLASH, 0);
}

/* At least one byte of the image at this multiple of 64 KiB, to the start of RAM. */
static void flash_read(uint32_t image, uint32_t bytes) {
    uint32_t to = CORE_RAM_BASE;
    const uint32_t end = to + bytes;
    flash_exchange(FLASH_READ);
    flash_exchange(image);
    flash_exchange(0);
    flash_exchange(0);
    do {
        write8(to++, (uint8_t)flash_exchange(0));
    } while (to != end);
    flash_deselect();
}

/* Bytes behind a header in RAM; 0 when it is none, or promises what no image has. */
static NOT_INLINE uint32_t body_bytes(uint32_t image) {
    uint32_t bytes = read32(image + CORE_IMAGE_BYTES_OFFSET) - CORE_IMAGE_HEADER_BYTES;
    if (read32(image + CORE_IMAGE_MAGIC_OFFSET) != CORE_FIRMWARE_MAGIC || bytes > CORE_IMAGE_BYTES - CORE_IMAGE_HEADER_BYTES) {
        bytes = 0;
    }
    return bytes;
}

/* CRC-32 of at least one byte. */
static NOT_INLINE uint32_t crc32(uint32_t at, uint32_t bytes) {
    uint32_t crc = ~UINT32_C(0);
    do {
        crc ^= read8(at++);
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    } while (--bytes);
    return ~crc;
}

/* The version of the image in flash, 0 if there is none; leaves its header in RAM. */
static NOT_INLINE __attribute__((used)) uint32_t flash_version(uint32_t image) {
    flash_read(image, CORE_IMAGE_HEADER_BYTES);
    return body_bytes(CORE_RAM_BASE) ? read32(opaque(CORE_RAM_BASE) + CORE_IMAGE_VERSION_OFFSET) : 0;
}

static __attribute__((noreturn)) void start(uint32_t boots) {
    register uint32_t argument __asm__("a0") = boots;
    __asm__ volatile("jr %1" : : "r"(argument), "r"(read32(CORE_RAM_BASE + CORE_IMAGE_ENTRY_OFFSET)));
    __builtin_unreachable();
}

static NOT_INLINE __attribute__((used)) void flash_start(uint32_t image) {
    if (flash_version(image)) {
        flash_read(image, read32(opaque(CORE_RAM_BASE) + CORE_IMAGE_BYTES_OFFSET));
        const uint32_t ram = opaque(CORE_RAM_BASE), bytes = body_bytes(ram);
        if (bytes && crc32(ram + CORE_IMAGE_HEADER_BYTES, bytes) == read32(ram + CORE_IMAGE_CRC_OFFSET)) {
            start(0);
        }
    }
}

/* In whole words. */
static void copy(uint32_t to, uint32_t from, uint32_t end) {
    for (; from < end; from += 4, to += 4) {
        write32(to, read32(from));
    }
}

static __attribute__((noreturn, used)) void rom_staged(uint32_t boots) {
    copy(CORE_RAM_BASE, STAGE, STAGE + read32(STAGE + CORE_IMAGE_BYTES_OFFSET));
    start(boots);
}

_Static_assert(OHMLOOM_BOOT_REQUEST_TARGET_OFFSET == 0 && OHMLOOM_BOOT_REQUEST_BYTES_OFFSET == 1 && OHMLOOM_BOOT_REQUEST_CRC_OFFSET == 5,
               "a BOOT's fields in words");

/* Whether a BOOT's payload, whose first word is `first`, names the image that is staged, and that begins as one. The CRC-32 in the
 * request covers all of it, more than the one in its header. */
static int is_staged(uint32_t payload, uint32_t first) {
    const uint32_t second = read32(payload + 4), bytes = first >> 8, crc = second >> 8 | read32(payload + 8) << 24;
    return !(second & 0xFF) && body_bytes(STAGE) && read32(opaque(STAGE) + CORE_IMAGE_BYTES_OFFSET) == bytes &&
           crc32(STAGE, bytes) == crc;
}

/* Ends a request, and with it `serve`, which would otherwise take room to get its registers back. */
static __attribute__((noreturn)) void answer(uint32_t word) {
    write32(CORE_REGISTER_ANSWER, word);
    __asm__ volatile("j serve_next");
    __builtin_unreachable();
}

static __attribute__((noreturn, used)) void serve(void) {
    uint32_t status;
    do {
        status = read32(CORE_REGISTER_STATUS);
    } while (!(status & CORE_REGISTER_STATUS_PENDING_MASK));
    const uint32_t request = read32(CORE_REGISTER_REQUEST);
    const uint32_t type = FIELD_GET(CORE_REGISTER_REQUEST_TYPE, request);
    const uint32_t payload = opaque(CORE_STORE_BASE + (FIELD_GET(CORE_REGISTER_STATUS_SLOT, status) << CHIP_SLOT_BITS));
    const uint32_t done = FIELD(CORE_REGISTER_ANSWER_TYPE, type | OHMLOOM_ANSWER);
    const uint32_t first = read32(payload);
    if (type == OHMLOOM_COMMAND_UPDATE && first < CORE_IMAGE_BYTES) {
        /* Behind the place of an image is room for the longest payload. */
        copy(STAGE + first, payload + OHMLOOM_UPDATE_REQUEST_DATA_OFFSET,
             payload + FIELD_GET(CORE_REGISTER_REQUEST_LENGTH, request));
        answer(done);
    }
    if (type == OHMLOOM_COMMAND_BOOT && (first & 0xFF) == OHMLOOM_BOOT_RAM && is_staged(payload, first)) {
        write32(CORE_REGISTER_ANSWER, done);
        rom_staged(1);
    }
    const uint32_t place = opaque(CORE_STORE_BASE + CHIP_ANSWERS_OFFSET +
                                  (FIELD_GET(CORE_REGISTER_STATUS_ANSWER_SLOT, status) << CHIP_SLOT_BITS));
    write32(place, type | OHMLOOM_ERROR_NO_FIRMWARE << 8);
    write32(place + 4, 0);
    write32(place + 8, 0);
    answer(FIELD(CORE_REGISTER_ANSWER_TYPE, OHMLOOM_TYPE_ERROR) |
           FIELD(CORE_REGISTER_ANSWER_LENGTH, OHMLOOM_ERROR_PAYLOAD_BYTES));
}

_Static_assert(CORE_FLASH_IMAGE_B == CORE_FLASH_IMAGE_A + 0x10000 && !(CORE_FLASH_IMAGE_A & 0x1FFFF), "the way from A to B is one bit");

/* Reset and, at CORE_ROM_STAGED, where the firmware has the staged image started; a0: what that will count as boots. By hand, for its
 * size: ends what the flash was being told before a restart, wakes it, then flash_start of the image with the higher version, else A,
 * and of the other; then serves for ever. */
__attribute__((section(".start"), naked)) void _start(void) {
    __asm__ volatile("la sp, stack_top\n\t"
                     "j 1f\n\t"
                     "j rom_staged\n"
                     "1:\n\t"
                     "call flash_deselect\n\t"
                     "li a0, %0\n\t"
                     "call flash_exchange\n\t"
                     "call flash_deselect\n\t"
                     "li a0, %1 + 1\n\t"
                     "call flash_version\n\t"
                     "mv s0, a0\n\t"
                     "li a0, %1\n\t"
                     "call flash_version\n\t"
                     "sltu a0, a0, s0\n\t"
                     "ori s1, a0, %1\n\t"
                     "mv a0, s1\n\t"
                     "call flash_start\n\t"
                     "xori a0, s1, 1\n\t"
                     "call flash_start\n\t"
                     "li a0, %2\n\t"
                     "li a1, 1\n\t"
                     "sw a1, 0(a0)\n"
                     "serve_next:\n\t"
                     "la sp, stack_top\n\t"
                     "j serve"
                     :
                     : "i"(FLASH_WAKE), "i"(CORE_FLASH_IMAGE_A >> 16), "i"(CORE_REGISTER_ALIVE));
}
