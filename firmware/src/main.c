#include "main.h"

#include "commands.h"
#include "firmware.h"
#include "hw.h"
#include "journal.h"
#include "mailbox.h"
#include "ohmloom.h"
#include "run.h"
#include "trip.h"

void firmware_main(uint32_t boots) {
    firmware_boots = boots;
    journal_start();
    run_start();
    write32(CORE_REGISTER_ALIVE, 1);
    for (;;) {
        struct request request;
        if (mailbox_request(&request)) {
            trip_rearm();
            commands_execute(&request);
            if (request.type == OHMLOOM_COMMAND_RUN_NEXT) {
                continue; /* to the next row, if it is asked for: what flash is to have of this one is written while that one's engine works */
            }
        }
        run_idle();
    }
}
