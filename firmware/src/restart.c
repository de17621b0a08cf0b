#include "restart.h"

#include "core.h"

void restart_staged(uint32_t boots) {
    register uint32_t argument __asm__("a0") = boots;
    __asm__ volatile("csrw mie, zero\n\t"
                     "jr %1"
                     :
                     : "r"(argument), "r"(CORE_ROM_STAGED));
    __builtin_unreachable();
}
