#include "flash.h"

#include "flash_commands.h"
#include "hw.h"

#define NEWS (CORE_REGISTER_STATUS_PENDING_MASK | CORE_REGISTER_STATUS_CALLING_MASK)

static struct {
    uint32_t open; /* the command that has the flash selected, 0 when none has */
    uint32_t at;   /* where the next byte is read or programmed */
    uint32_t busy; /* it may be erasing or programming */
} flash;

static void shifted(void) {
    while (read32(CORE_REGISTER_STATUS) & CORE_REGISTER_STATUS_SHIFTING_MASK) {
    }
}

/* The register's byte goes out and another comes in, while the core goes on. */
static void shift(uint32_t byte) {
    write32(CORE_REGISTER_FLASH, byte | CORE_REGISTER_FLASH_SELECT_MASK);
}

static void send(uint32_t byte) {
    shifted();
    shift(byte);
}

static void release(void) {
    if (flash.open) {
        shifted();
        write32(CORE_REGISTER_FLASH, 0);
        flash.open = 0;
    }
}

static void begin(uint32_t command) {
    release();
    flash.open = command;
    shift(command);
}

static void begin_at(uint32_t command, uint32_t at) {
    /* From memory, as both the core and hosts have it, little-endian: the core takes two cycles to shift by one bit. */
    const uint8_t *bytes = (const uint8_t *)&flash.at;
    flash.at = at;
    begin(command);
    send(bytes[2]);
    send(bytes[1]);
    send(bytes[0]);
}

int flash_busy(void) {
    if (!flash.busy) {
        return 0;
    }
    /* One status after the other is read until it is free. Each is on its way while the core does something else. */
    if (flash.open != FLASH_STATUS) {
        begin(FLASH_STATUS);
        send(0);
    }
    shifted();
    if (read32(CORE_REGISTER_FLASH) & FLASH_STATUS_BUSY) {
        shift(0);
        return 1;
    }
    release();
    flash.busy = 0;
    return 0;
}

static void wait(void) {
    while (flash_busy()) {
    }
}

void flash_leave(void) {
    wait();
    release();
}

void flash_read_begin(uint32_t at) {
    if (flash.open != FLASH_READ || flash.at != at) {
        wait();
        begin_at(FLASH_READ, at);
        send(0);
    }
}

/* The byte that has come; the next one is on its way. */
static uint8_t next(void) {
    const uint32_t byte = read32(CORE_REGISTER_FLASH);
    shift(0);
    return (uint8_t)byte;
}

uint8_t flash_read_next(void) {
    flash.at++;
    shifted();
    return next();
}

uint32_t flash_read(uint32_t at, uint8_t *to, uint32_t bytes) {
    flash_read_begin(at);
    flash.at += bytes;
    for (uint32_t left = bytes; left; left--) {
        shifted();
        *to++ = next();
    }
    return bytes;
}

uint32_t flash_read_meanwhile(uint32_t at, uint8_t *to, uint32_t bytes) {
    uint8_t *const start = to, *const end = to + bytes;
    flash_read_begin(at);
    uint32_t status = read32(CORE_REGISTER_STATUS);
    const uint32_t then = status & NEWS;
    while (to != end && (status & NEWS) == then) {
        do {
            status = read32(CORE_REGISTER_STATUS);
        } while (status & CORE_REGISTER_STATUS_SHIFTING_MASK);
        *to++ = next();
    }
    const uint32_t had = (uint32_t)(to - start);
    flash.at += had;
    return had;
}

static void enable(void) {
    wait();
    begin(FLASH_WRITE_ENABLE);
    release();
}

void flash_program_begin(uint32_t at) {
    enable();
    begin_at(FLASH_PROGRAM, at);
}

static __attribute__((noinline)) void next_page(void) {
    flash_program_end();
    flash_program_begin(flash.at);
}

void flash_program_next(uint32_t byte) {
    send(byte & 0xFF);
    /* One command programs within one page. */
    if (!(++flash.at & (CORE_FLASH_PAGE_BYTES - 1))) {
        next_page();
    }
}

void flash_program_end(void) {
    release();
    flash.busy = 1;
}

void flash_erase(uint32_t at) {
    enable();
    begin_at(FLASH_ERASE, at);
    release();
    flash.busy = 1;
}
