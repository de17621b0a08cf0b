#include "update.h"

#include "checks.h"
#include "crc32.h"
#include "firmware.h"
#include "flash.h"
#include "hw.h"
#include "journal.h"
#include "ohmloom.h"
#include "restart.h"

#define STAGE (CORE_RAM_BASE + CORE_STAGE_OFFSET)

_Static_assert(CORE_STAGE_OFFSET + CORE_IMAGE_BYTES <= CORE_RAM_BYTES, "the new image has its place");

uint32_t update_store(const struct request *request) {
    const uint32_t offset = word_at(request->payload + OHMLOOM_UPDATE_REQUEST_OFFSET_OFFSET);
    const uint32_t data = request->payload + OHMLOOM_UPDATE_REQUEST_DATA_OFFSET;
    const uint32_t bytes = request->length - OHMLOOM_UPDATE_REQUEST_DATA_OFFSET;
    const uint64_t end = (uint64_t)offset + bytes;
    if (offset & 3) {
        return refuse(OHMLOOM_ERROR_BAD_ADDRESS, offset);
    }
    if (end > CORE_IMAGE_BYTES) {
        return refuse(OHMLOOM_ERROR_BAD_ADDRESS, (int64_t)end);
    }
    for (uint32_t at = 0; at < bytes; at++) {
        write8(STAGE + offset + at, read8(data + at));
    }
    return 0;
}

/* Into flash. */

/* CRC-32 of what is in flash. */
static uint32_t flash_crc32(uint32_t at, uint32_t bytes) {
    uint32_t crc = CRC32_START;
    flash_read_begin(at);
    while (bytes--) {
        crc = crc32_next(crc, flash_read_next());
    }
    return ~crc;
}

static uint32_t little_endian(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The version of a good image in flash, 0 if it is none. */
static uint32_t flash_version(uint32_t at) {
    uint8_t header[CORE_IMAGE_HEADER_BYTES];
    flash_read(at, header, sizeof header);
    const uint32_t body = little_endian(header + CORE_IMAGE_BYTES_OFFSET) - CORE_IMAGE_HEADER_BYTES;
    if (little_endian(header + CORE_IMAGE_MAGIC_OFFSET) != CORE_FIRMWARE_MAGIC ||
        body > CORE_IMAGE_BYTES - CORE_IMAGE_HEADER_BYTES ||
        flash_crc32(at + CORE_IMAGE_HEADER_BYTES, body) != little_endian(header + CORE_IMAGE_CRC_OFFSET)) {
        return 0;
    }
    return little_endian(header + CORE_IMAGE_VERSION_OFFSET);
}

/* Writes the new image where the ROM does not take the one from that it starts, and takes that one away when the new one is good, so
 * that there is always one. Answers the CRC-32 of what then is in flash. */
static uint32_t keep(uint32_t bytes, uint32_t crc) {
    const uint32_t newer = flash_version(CORE_FLASH_IMAGE_B) > flash_version(CORE_FLASH_IMAGE_A);
    const uint32_t old = newer ? CORE_FLASH_IMAGE_B : CORE_FLASH_IMAGE_A;
    const uint32_t place = newer ? CORE_FLASH_IMAGE_A : CORE_FLASH_IMAGE_B;
    for (uint32_t at = 0; at < bytes; at += CORE_FLASH_SECTOR_BYTES) {
        flash_erase(place + at);
    }
    flash_program_begin(place);
    for (uint32_t at = 0; at < bytes; at++) {
        flash_program_next(read8(STAGE + at));
    }
    flash_program_end();
    const uint32_t kept = flash_crc32(place, bytes);
    if (kept == crc) {
        flash_erase(old);
    }
    return kept;
}

uint32_t update_boot(const struct request *request) {
    const uint32_t target = read8(request->payload + OHMLOOM_BOOT_REQUEST_TARGET_OFFSET);
    const uint32_t bytes = word_at(request->payload + OHMLOOM_BOOT_REQUEST_BYTES_OFFSET);
    const uint32_t wanted = word_at(request->payload + OHMLOOM_BOOT_REQUEST_CRC_OFFSET);
    if (!check_below(target, OHMLOOM_BOOT_FLASH + 1, OHMLOOM_ERROR_BAD_VALUE)) {
        return REFUSED;
    }
    if (bytes < CORE_IMAGE_HEADER_BYTES || bytes > CORE_IMAGE_BYTES) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, bytes);
    }
    const uint32_t crc = crc32(STAGE, bytes);
    if (crc != wanted) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, crc);
    }
    const uint32_t magic = read32(STAGE + CORE_IMAGE_MAGIC_OFFSET);
    if (magic != CORE_FIRMWARE_MAGIC) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, magic);
    }
    const uint32_t version = read32(STAGE + CORE_IMAGE_VERSION_OFFSET);
    if (version >> 16 != CORE_FIRMWARE_VERSION >> 16) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, version);
    }
    const uint32_t own_bytes = read32(STAGE + CORE_IMAGE_BYTES_OFFSET);
    if (own_bytes != bytes) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, own_bytes);
    }
    const uint32_t own_crc = read32(STAGE + CORE_IMAGE_CRC_OFFSET);
    if (own_crc != crc32(STAGE + CORE_IMAGE_HEADER_BYTES, bytes - CORE_IMAGE_HEADER_BYTES)) {
        return refuse(OHMLOOM_ERROR_BAD_VALUE, own_crc);
    }
    if (target == OHMLOOM_BOOT_FLASH) {
        const uint32_t kept = keep(bytes, crc);
        if (kept != crc) {
            return refuse(OHMLOOM_ERROR_BAD_VALUE, kept);
        }
    }
    journal_settle();
    journal_mark();
    flash_leave();
    mailbox_answer(request, 0);
    restart_staged(firmware_boots + 1);
}
