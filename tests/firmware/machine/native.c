/* The firmware compiled for the host, with sanitizers. */
#include <string.h>

#include "core.h"
#include "devices.h"
#include "hw.h"
#include "main.h"
#include "restart.h"
#include "trip.h"

static uint8_t stage[CORE_RAM_BYTES - CORE_STAGE_OFFSET];

/* An address of RAM that the firmware itself does not live in. */
static uint8_t *staged(uint32_t address, uint32_t size) {
    const uint32_t offset = address - CORE_RAM_BASE - CORE_STAGE_OFFSET;
    if (offset >= sizeof stage || (address & (size - 1))) {
        die("no %u bytes at %x", size, address);
    }
    return stage + offset;
}

static uint32_t load(uint32_t address, uint32_t size) {
    if (devices_interrupt()) {
        trip_note();
    }
    if (address >= CORE_STORE_BASE) {
        return devices_read(address, size);
    }
    uint32_t value = 0;
    memcpy(&value, staged(address, size), size);
    return value;
}

static void store(uint32_t address, uint32_t value, uint32_t size) {
    if (address >= CORE_STORE_BASE) {
        devices_write(address, value, size);
    } else {
        memcpy(staged(address, size), &value, size);
    }
}

uint32_t read32(uint32_t address) {
    return load(address, SIZE_WORD);
}

uint16_t read16(uint32_t address) {
    return (uint16_t)load(address, SIZE_HALF);
}

uint8_t read8(uint32_t address) {
    return (uint8_t)load(address, SIZE_BYTE);
}

void write32(uint32_t address, uint32_t value) {
    store(address, value, SIZE_WORD);
}

void write16(uint32_t address, uint16_t value) {
    store(address, value, SIZE_HALF);
}

void write8(uint32_t address, uint8_t value) {
    store(address, value, SIZE_BYTE);
}

void restart_staged(uint32_t boots) {
    devices_restarted(boots);
}

int main(int count, char **arguments) {
    if (count != 3) {
        die("usage: %s FLASH STORE", arguments[0]);
    }
    devices_open(arguments[1], arguments[2]);
    firmware_main(0);
}
