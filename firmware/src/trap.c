/* The core's only trap handler. */
#include "core.h"
#include "trip.h"

#define MACHINE_EXTERNAL 0x8000000Bu /* mcause of the one interrupt that the core has */

__attribute__((interrupt("machine"), aligned(4))) void trip_vector(void) {
    uint32_t cause;
    __asm__ volatile("csrr %0, mcause" : "=r"(cause));
    if (cause != MACHINE_EXTERNAL) {
        __asm__ volatile("csrw mie, zero\n\tjr %0" : : "r"(CORE_ROM_BASE));
        __builtin_unreachable();
    }
    trip_note();
}
