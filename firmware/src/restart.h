/* The way back into the ROM. */
#ifndef RESTART_H
#define RESTART_H

#include <stdint.h>

/* Has the ROM copy the staged image down and start it. boots: what it will answer as such. */
__attribute__((noreturn)) void restart_staged(uint32_t boots);

#endif
