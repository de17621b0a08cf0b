/* RUN_BEGIN, RUN_LOAD, RUN_NEXT, RUN_STATUS, RUN_ROW and REFRESH. */
#ifndef RUN_H
#define RUN_H

#include "mailbox.h"

/* After `journal_start`. */
void run_start(void);

/* For the time between requests. */
void run_idle(void);

uint32_t run_begin(const struct request *request);
uint32_t run_load(const struct request *request);
uint32_t run_next(const struct request *request);
uint32_t run_status(const struct request *request);
uint32_t run_row(const struct request *request);
uint32_t run_refresh(const struct request *request);

#endif
