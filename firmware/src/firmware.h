/* FIRMWARE. */
#ifndef FIRMWARE_H
#define FIRMWARE_H

#include "mailbox.h"

extern uint32_t firmware_boots;

uint32_t firmware_names(const struct request *request);

#endif
