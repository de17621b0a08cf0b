#include "mailbox.h"

#include "hw.h"
#include "ohmloom.h"

static struct {
    uint32_t code;
    int64_t detail;
} refusal;

int mailbox_request(struct request *request) {
    const uint32_t status = read32(CORE_REGISTER_STATUS);
    if (!(status & CORE_REGISTER_STATUS_PENDING_MASK)) {
        return 0;
    }
    const uint32_t word = read32(CORE_REGISTER_REQUEST);
    request->type = FIELD_GET(CORE_REGISTER_REQUEST_TYPE, word);
    request->length = word >> CORE_REGISTER_REQUEST_LENGTH_SHIFT; /* the last field: without its mask, which takes as long again */
    request->payload = CORE_STORE_BASE + (FIELD_GET(CORE_REGISTER_STATUS_SLOT, status) << CHIP_SLOT_BITS);
    request->answer = CORE_STORE_BASE + CHIP_ANSWERS_OFFSET +
                      (FIELD_GET(CORE_REGISTER_STATUS_ANSWER_SLOT, status) << CHIP_SLOT_BITS);
    return 1;
}

void mailbox_answer(const struct request *request, uint32_t length) {
    uint32_t type = request->type | OHMLOOM_ANSWER;
    if (length == REFUSED) {
        const uint32_t place = request->answer;
        type = OHMLOOM_TYPE_ERROR;
        length = OHMLOOM_ERROR_PAYLOAD_BYTES;
        write8(place + OHMLOOM_ERROR_PAYLOAD_COMMAND_OFFSET, (uint8_t)request->type);
        write8(place + OHMLOOM_ERROR_PAYLOAD_CODE_OFFSET, (uint8_t)refusal.code);
        put_word(place + OHMLOOM_ERROR_PAYLOAD_DETAIL_OFFSET, (uint32_t)refusal.detail);
        put_word(place + OHMLOOM_ERROR_PAYLOAD_DETAIL_OFFSET + 4, (uint32_t)((uint64_t)refusal.detail >> 32));
    }
    write32(CORE_REGISTER_ANSWER, type | length << CORE_REGISTER_ANSWER_LENGTH_SHIFT);
}

uint32_t refuse(uint32_t code, int64_t detail) {
    refusal.code = code;
    refusal.detail = detail;
    return REFUSED;
}

void call_begin(uint32_t type, uint32_t length, uint32_t place) {
    uint32_t word = FIELD(CORE_REGISTER_CALL_TYPE, type) | FIELD(CORE_REGISTER_CALL_LENGTH, length) |
                    FIELD(CORE_REGISTER_CALL_HEAD, place / 2);
    if (place >= MAILBOX_UPPER) {
        word |= CORE_REGISTER_CALL_UPPER_MASK;
    }
    write32(CORE_REGISTER_CALL, word);
}

int call_under_way(void) {
    return (read32(CORE_REGISTER_STATUS) & CORE_REGISTER_STATUS_CALLING_MASK) != 0;
}

int call_answered(void) {
    return FIELD_GET(CORE_REGISTER_CALL_TYPE, read32(CORE_REGISTER_CALL)) != OHMLOOM_TYPE_ERROR;
}

int call_cut(void) {
    return (read32(CORE_REGISTER_CALL) & CORE_REGISTER_CALL_CUT_MASK) != 0;
}

uint32_t call_failed(uint32_t *columns) {
    uint32_t any = 0;
    for (uint32_t word = 0; word < CHIP_BAD_WORDS; word++) {
        any |= columns[word] = read32(CORE_REGISTER_FAILED + 4 * word);
    }
    return any;
}

uint32_t half_at(uint32_t address) {
    return read8(address) | (uint32_t)read8(address + 1) << 8;
}

uint32_t word_at(uint32_t address) {
    return half_at(address) | half_at(address + 2) << 16;
}

void put_half(uint32_t address, uint32_t half) {
    write8(address, (uint8_t)half);
    write8(address + 1, (uint8_t)(half >> 8));
}

void put_word(uint32_t address, uint32_t word) {
    put_half(address, word);
    put_half(address + 2, word >> 16);
}
