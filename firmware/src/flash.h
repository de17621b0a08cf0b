/* The board's serial NOR flash. Erasing and programming go on after these return; whatever comes next waits for them. Nothing of
 * the firmware runs from it. */
#ifndef FLASH_H
#define FLASH_H

#include <stdint.h>

/* Bytes from `at` on are then read one by one. A read stays open: one that goes on where the last one ended takes no command. */
void flash_read_begin(uint32_t at);
uint8_t flash_read_next(void);

/* Answers `bytes`. */
uint32_t flash_read(uint32_t at, uint8_t *to, uint32_t bytes);

/* The same, until a request comes or a call has been answered. Answers how many bytes it has read, at least one. */
uint32_t flash_read_meanwhile(uint32_t at, uint8_t *to, uint32_t bytes);

/* Waits until it is free and ends what is open: before other firmware uses it. */
void flash_leave(void);

/* Bytes from `at` on are then programmed: their zeros become zeros of what is there. */
void flash_program_begin(uint32_t at);
void flash_program_next(uint32_t byte);
void flash_program_end(void);

/* The sector that `at` lies in becomes 0xFF. */
void flash_erase(uint32_t at);

/* Whether it still erases or programs. */
int flash_busy(void);

#endif
