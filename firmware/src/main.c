#include "main.h"

#include "commands.h"
#include "firmware.h"
#include "hw.h"
#include "journal.h"
#include "mailbox.h"
#include "ohmloom.h"
#include "run.h"
#include "trip.h"

/* Rounds of the loop below in which the link shows a request that has waited for the answer of the one before. */
#define ROUNDS 4

void firmware_main(uint32_t boots) {
    firmware_boots = boots;
    journal_start();
    run_start();
    write32(CORE_REGISTER_ALIVE, 1);
    for (uint32_t left = 0;;) {
        struct request request;
        if (mailbox_request(&request)) {
            trip_rearm();
            commands_execute(&request);
            /* The next row comes first: what flash is to have of this one can be written while the engine works. */
            left = request.type == OHMLOOM_COMMAND_RUN_NEXT ? ROUNDS : 0;
        }
        if (left) {
            left--;
        } else {
            run_idle();
        }
    }
}
