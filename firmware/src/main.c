#include "main.h"

#include "commands.h"
#include "firmware.h"
#include "hw.h"
#include "mailbox.h"
#include "trip.h"

void firmware_main(uint32_t boots) {
    firmware_boots = boots;
    write32(CORE_REGISTER_ALIVE, 1);
    for (;;) {
        struct request request;
        if (mailbox_request(&request)) {
            trip_rearm();
            commands_execute(&request);
        }
    }
}
