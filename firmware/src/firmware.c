#include "firmware.h"

#include "hw.h"
#include "ohmloom.h"

uint32_t firmware_boots;

uint32_t firmware_names(const struct request *request) {
    write32(request->answer + OHMLOOM_FIRMWARE_ANSWER_VERSION_OFFSET, CORE_FIRMWARE_VERSION);
    write32(request->answer + OHMLOOM_FIRMWARE_ANSWER_BOOTS_OFFSET, firmware_boots);
    return OHMLOOM_FIRMWARE_ANSWER_BYTES;
}
