#include "flash.h"

#include "flash_commands.h"
#include "hw.h"

static struct {
    uint32_t at;   /* where the next byte is programmed */
    uint32_t busy; /* it may be erasing or programming */
} flash;

static void shifted(void) {
    while (read32(CORE_REGISTER_STATUS) & CORE_REGISTER_STATUS_SHIFTING_MASK) {
    }
}

static void send(uint32_t byte) {
    shifted();
    write32(CORE_REGISTER_FLASH, byte | CORE_REGISTER_FLASH_SELECT_MASK);
}

static uint32_t receive(void) {
    send(0);
    shifted();
    return read32(CORE_REGISTER_FLASH);
}

static void deselect(void) {
    shifted();
    write32(CORE_REGISTER_FLASH, 0);
}

static void send_address(uint32_t command, uint32_t at) {
    send(command);
    send(at >> 16 & 0xFF);
    send(at >> 8 & 0xFF);
    send(at & 0xFF);
}

int flash_busy(void) {
    if (flash.busy) {
        send(FLASH_STATUS);
        flash.busy = receive() & FLASH_STATUS_BUSY;
        deselect();
    }
    return flash.busy != 0;
}

static void wait(void) {
    while (flash_busy()) {
    }
}

void flash_read_begin(uint32_t at) {
    wait();
    send_address(FLASH_READ, at);
}

uint8_t flash_read_next(void) {
    return (uint8_t)receive();
}

void flash_read_end(void) {
    deselect();
}

void flash_read(uint32_t at, uint8_t *to, uint32_t bytes) {
    flash_read_begin(at);
    while (bytes--) {
        *to++ = flash_read_next();
    }
    flash_read_end();
}

static void enable(void) {
    wait();
    send(FLASH_WRITE_ENABLE);
    deselect();
}

static void begin_page(void) {
    enable();
    send_address(FLASH_PROGRAM, flash.at);
}

void flash_program_begin(uint32_t at) {
    flash.at = at;
    begin_page();
}

void flash_program_next(uint32_t byte) {
    send(byte & 0xFF);
    /* One command programs within one page. */
    if (!(++flash.at & (CORE_FLASH_PAGE_BYTES - 1))) {
        flash_program_end();
        begin_page();
    }
}

void flash_program_end(void) {
    deselect();
    flash.busy = 1;
}

void flash_erase(uint32_t at) {
    enable();
    send_address(FLASH_ERASE, at);
    deselect();
    flash.busy = 1;
}
