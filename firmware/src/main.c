#include "main.h"

#include "commands.h"
#include "firmware.h"
#include "hw.h"
#include "journal.h"
#include "mailbox.h"
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
        }
        run_idle();
    }
}
