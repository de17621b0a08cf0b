/* UPDATE and BOOT: new firmware over the link. */
#ifndef UPDATE_H
#define UPDATE_H

#include "mailbox.h"

uint32_t update_store(const struct request *request);

/* Does not return when the image is good. */
uint32_t update_boot(const struct request *request);

#endif
