/* The safety latch, as firmware learns of it. It has set itself and floated all lines before any of this runs. */
#ifndef TRIP_H
#define TRIP_H

#include <stdint.h>

/* Where all traps go. A set latch is noted; anything else is a bug, and starts the ROM. */
void trip_vector(void);

/* What the interrupt does: notes the trip, and masks itself until `trip_rearm`. */
void trip_note(void);

/* Takes the interrupt again, once the latch is clear. */
void trip_rearm(void);

/* Whether the latch was set since the last `trip_rearm`, or is. */
int trip_seen(void);

/* REFUSED, with what the latch says. */
uint32_t trip_refuse(void);

#endif
