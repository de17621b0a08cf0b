#ifndef MAIN_H
#define MAIN_H

#include <stdint.h>

/* Answers requests for ever. boots: times that BOOT was taken since power-up. */
__attribute__((noreturn)) void firmware_main(uint32_t boots);

#endif
