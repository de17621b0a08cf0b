#include "trip.h"

#include "hw.h"
#include "mailbox.h"
#include "ohmloom.h"

static volatile uint32_t seen = 1; /* so that the first `trip_rearm` takes the interrupt */

void trip_note(void) {
    seen = 1;
    write32(CORE_REGISTER_TRIP_IRQ, 0);
}

static int latched(void) {
    return (read32(CORE_REGISTER_STATUS) & CORE_REGISTER_STATUS_TRIPPED_MASK) != 0;
}

void trip_rearm(void) {
    if (seen && !latched()) {
        seen = 0;
        write32(CORE_REGISTER_TRIP_IRQ, 1);
    }
}

int trip_seen(void) {
    return seen || latched();
}

uint32_t trip_refuse(void) {
    return refuse(OHMLOOM_ERROR_TRIPPED, FIELD_GET(CORE_REGISTER_STATUS_CAUSE, read32(CORE_REGISTER_STATUS)));
}
