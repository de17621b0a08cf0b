/* IV. */
#ifndef IV_H
#define IV_H

#include "mailbox.h"

uint32_t iv_sweep(const struct request *request);

#endif
