#include "commands.h"

#include "calibrate.h"
#include "codes.h"
#include "core.h"
#include "firmware.h"
#include "iv.h"
#include "ohmloom.h"
#include "run.h"
#include "selftest.h"
#include "trip.h"
#include "update.h"

/* What a payload ends with. */
enum tail { NOTHING, BYTES, CODES };

struct command {
    uint32_t (*execute)(const struct request *request); /* the answer's length, or REFUSED */
    uint8_t least; /* bytes of the payload, without its tail */
    uint8_t tail;
    uint8_t latched; /* a set safety latch refuses it */
};

#define AT(name) [OHMLOOM_COMMAND_##name - CORE_FIRMWARE_COMMANDS]

static const struct command table[] = {
    AT(IV) = {iv_sweep, OHMLOOM_IV_REQUEST_CODES_OFFSET, CODES, 1},
    AT(CALIBRATE) = {calibrate, OHMLOOM_CALIBRATE_REQUEST_BYTES, NOTHING, 1},
    AT(SELFTEST) = {selftest, 0, NOTHING, 1},
    AT(RUN_BEGIN) = {run_begin, OHMLOOM_RUN_BEGIN_REQUEST_BYTES, NOTHING, 0},
    AT(RUN_LOAD) = {run_load, OHMLOOM_RUN_LOAD_REQUEST_CELLS_OFFSET, CODES, 0},
    AT(RUN_NEXT) = {run_next, 0, NOTHING, 1},
    AT(RUN_STATUS) = {run_status, 0, NOTHING, 0},
    AT(RUN_ROW) = {run_row, OHMLOOM_RUN_ROW_REQUEST_BYTES, NOTHING, 0},
    AT(REFRESH) = {run_refresh, OHMLOOM_REFRESH_REQUEST_BYTES, NOTHING, 1},
    AT(UPDATE) = {update_store, OHMLOOM_UPDATE_REQUEST_DATA_OFFSET, BYTES, 0},
    AT(BOOT) = {update_boot, OHMLOOM_BOOT_REQUEST_BYTES, NOTHING, 0},
    AT(FIRMWARE) = {firmware_names, 0, NOTHING, 0},
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
