/* CALIBRATE. */
#ifndef CALIBRATE_H
#define CALIBRATE_H

#include "mailbox.h"

uint32_t calibrate(const struct request *request);

#endif
