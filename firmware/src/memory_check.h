/* The RAM that the firmware does not live in: where UPDATE puts images. */
#ifndef MEMORY_CHECK_H
#define MEMORY_CHECK_H

#include <stdint.h>

/* Bits that are wrong in the first bad word, whose number in RAM is `word`; 0: all is well. Leaves the contents as they are. */
uint32_t memory_check(uint32_t *word);

#endif
