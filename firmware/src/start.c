/* The image's header and the way from the ROM to main. */
#include "core.h"
#include "main.h"
#include "trip.h"

extern uint32_t bss_start[], bss_end[], image_base[], image_end[];
void _start(void);

/* The builder fills in bytes and crc, which no linker knows. */
__attribute__((section(".image_header"), used)) static const uint32_t header[CORE_IMAGE_HEADER_BYTES / 4] = {
    [CORE_IMAGE_MAGIC_OFFSET / 4] = CORE_FIRMWARE_MAGIC,
    [CORE_IMAGE_VERSION_OFFSET / 4] = CORE_FIRMWARE_VERSION,
    [CORE_IMAGE_ENTRY_OFFSET / 4] = CORE_RAM_BASE + CORE_IMAGE_HEADER_BYTES,
};

static __attribute__((noreturn, used)) void start(uint32_t boots) {
    for (uint32_t *word = bss_start; word != bss_end; word++) {
        *word = 0;
    }
    __asm__ volatile("csrw mtvec, %0\n\t"
                     "csrs mie, %1\n\t"
                     "csrsi mstatus, 8"
                     :
                     : "r"(trip_vector), "r"(1u << 11));
    firmware_main(boots);
}

__attribute__((section(".start"), naked)) void _start(void) {
    __asm__ volatile("la sp, stack_top\n\t"
                     "j %0"
                     :
                     : "i"(start));
}
