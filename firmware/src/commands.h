/* The command table. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "mailbox.h"

/* Executes a request and answers it. */
void commands_execute(const struct request *request);

#endif
