/* SELFTEST. */
#ifndef SELFTEST_H
#define SELFTEST_H

#include "mailbox.h"

uint32_t selftest(const struct request *request);

#endif
