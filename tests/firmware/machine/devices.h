/* What is on the core's bus beside its RAM: the store, the mailbox, the probe and the flash. The other side of the mailbox and of the
 * probe is a process at the other end of standard input and output. */
#ifndef DEVICES_H
#define DEVICES_H

#include <stdint.h>

enum { SIZE_BYTE = 1, SIZE_HALF = 2, SIZE_WORD = 4 };

/* Paths of files that stay: the flash's contents and the store's. */
void devices_open(const char *flash, const char *store);

uint32_t devices_read(uint32_t address, uint32_t size);
void devices_write(uint32_t address, uint32_t value, uint32_t size);

/* Whether the safety latch interrupts. */
int devices_interrupt(void);

/* Ends the process, with a text on standard error. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* Tells the other side that the firmware was restarted with the staged image, and ends. */
__attribute__((noreturn)) void devices_restarted(uint32_t boots);

/* Instructions executed so far, if there are any to count. */
extern uint32_t devices_instructions;

#endif
