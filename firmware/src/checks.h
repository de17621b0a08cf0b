/* What a command's fields are checked against. Each answers 0 when it has refused, in the order of the calls. */
#ifndef CHECKS_H
#define CHECKS_H

#include <stdint.h>

int check_below(uint32_t value, uint32_t count, uint32_t error);
int check_tile(uint32_t tile);
int check_row(uint32_t row);

#endif
