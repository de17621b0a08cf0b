#include "commands.h"

#include "codes.h"
#include "core.h"
#include "firmware.h"
#include "iv.h"
#include "ohmloom.h"
#include "trip.h"

/* What a payload ends with. */
enum tail { NOTHING, BYTES, CODES };

struct command {
    uint32_t (*execute)(const struct request *request); /* the answer's length, or REFUSED */
    uint8_t least; /* bytes of the payload, without its tail */
    uint8_t tail;
    uint8_t latched; /* a set safety latch refuses it */
};

static const struct command table[] = {
    [OHMLOOM_COMMAND_IV - CORE_FIRMWARE_COMMANDS] = {iv_sweep, OHMLOOM_IV_REQUEST_CODES_OFFSET, CODES, 1},
    [OHMLOOM_COMMAND_FIRMWARE - CORE_FIRMWARE_COMMANDS] = {firmware_names, 0, NOTHING, 0},
};

static uint32_t execute(const struct request *request) {
    const uint32_t index = request->type - CORE_FIRMWARE_COMMANDS;
    if (index >= sizeof table / sizeof *table || !table[index].execute) {
        return refuse(OHMLOOM_ERROR_UNKNOWN_COMMAND, request->type);
    }
    const struct command *command = &table[index];
    if (command->latched && trip_seen()) {
        return trip_refuse();
    }
    const uint32_t tail = request->length - command->least;
    if (request->length < command->least || (command->tail == NOTHING && tail) ||
        (command->tail == CODES && !codes_whole(tail))) {
        return refuse(OHMLOOM_ERROR_BAD_LENGTH, request->length);
    }
    return command->execute(request);
}

void commands_execute(const struct request *request) {
    mailbox_answer(request, execute(request));
}
