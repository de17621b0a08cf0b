#include "devices.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chip.h"
#include "core.h"
#include "ohmloom.h"

#define FLASH_BYTES 0x200000u
#define CUT_EXIT 99
#define CALL_POLLS 400  /* reads of STATUS that a call lasts */
#define SLOW_POLLS 60   /* as `busy_polls`, most of a call */

uint32_t devices_instructions;

static uint32_t idle_polls = 200; /* reads of STATUS without a request, before one is waited for */
static uint32_t busy_polls = 3;   /* reads of the flash's status that an erase or a program lasts */

static uint8_t *flash_bytes, *store;

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint8_t *mapped(const char *path, size_t bytes) {
    const int file = open(path, O_RDWR);
    if (file < 0 || ftruncate(file, (off_t)bytes)) {
        die("%s cannot be opened", path);
    }
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) {
        die("%s cannot be mapped", path);
    }
    return at;
}

void devices_open(const char *flash, const char *store_path) {
    flash_bytes = mapped(flash, FLASH_BYTES);
    store = mapped(store_path, 1u << 16);
}

/* The other side. */

static void tell(const void *bytes, size_t count) {
    if (fwrite(bytes, 1, count, stdout) != count) {
        die("the other side is gone");
    }
}

static void hear(void *bytes, size_t count) {
    if (fread(bytes, 1, count, stdin) != count) {
        exit(0); /* it has ended */
    }
}

static void tell_word(uint32_t word) {
    tell(&word, sizeof word);
}

static uint32_t hear_word(void) {
    uint32_t word;
    hear(&word, sizeof word);
    return word;
}

void devices_restarted(uint32_t boots) {
    tell("B", 1);
    tell_word(boots);
    fflush(stdout);
    exit(0);
}

/* Flash: one operation is a page's program or a sector's erase. */

static struct {
    uint8_t out[4 + 256]; /* what the select has brought so far */
    uint32_t count, selected, answer, enabled, busy, awake;
    uint32_t cut_after, cut, seed; /* the power goes in the operation `cut_after`, counted from 1 */
} flash;

static uint32_t random_word(void) {
    flash.seed ^= flash.seed << 13;
    flash.seed ^= flash.seed >> 17;
    flash.seed ^= flash.seed << 5;
    return flash.seed;
}

static uint32_t flash_address(void) {
    const uint32_t at = (uint32_t)flash.out[1] << 16 | (uint32_t)flash.out[2] << 8 | flash.out[3];
    if (at >= FLASH_BYTES) {
        die("the flash has no address %x", at);
    }
    return at;
}

static void flash_must_be_free(void) {
    if (flash.busy) {
        die("command %02x for a busy flash", flash.out[0]);
    }
}

/* Whether a bit of an operation that is cut off is done: none, all, or some. */
static int done_before_cut(uint32_t share) {
    return share == 0 ? 0 : share == 1 ? 1 : (int)(random_word() & 1);
}

static void flash_change(void) {
    if (!flash.enabled) {
        die("command %02x without a write enable", flash.out[0]);
    }
    flash_must_be_free();
    const int cut = flash.cut && --flash.cut_after == 0;
    const uint32_t share = cut ? random_word() % 3 : 1, at = flash_address();
    if (flash.out[0] == 0x20) {
        const uint32_t sector = at & ~(CORE_FLASH_SECTOR_BYTES - 1);
        for (uint32_t index = 0; index < CORE_FLASH_SECTOR_BYTES; index++) {
            if (!cut || share == 1) {
                flash_bytes[sector + index] = 0xFF;
            } else if (share == 2) {
                flash_bytes[sector + index] = (uint8_t)(random_word() & 1 ? random_word() : flash_bytes[sector + index]);
            }
        }
    } else {
        for (uint32_t index = 4; index < flash.count; index++) {
            uint8_t *byte = &flash_bytes[(at & ~255u) | ((at + index - 4) & 255u)];
            for (uint32_t bit = 1; bit < 256; bit <<= 1) {
                if (!(flash.out[index] & bit) && done_before_cut(share)) {
                    *byte = (uint8_t)(*byte & ~bit);
                }
            }
        }
    }
    if (cut) {
        _exit(CUT_EXIT);
    }
    flash.enabled = 0;
    flash.busy = busy_polls;
}

static void flash_deselected(void) {
    if (!flash.selected || !flash.count) {
        return;
    }
    switch (flash.out[0]) {
    case 0x06:
        flash_must_be_free();
        flash.enabled = 1;
        break;
    case 0x02:
    case 0x20:
        flash_change();
        break;
    default:
        break;
    }
    flash.selected = 0;
}

static void flash_byte(uint32_t byte) {
    if (!flash.selected) {
        flash.selected = 1;
        flash.count = 0;
    }
    if (flash.count == sizeof flash.out) {
        die("more than a page for one program");
    }
    flash.answer = 0xFF;
    if (flash.count && flash.out[0] == 0x05) {
        flash.answer = flash.busy ? 1 : 0;
        flash.busy -= flash.busy != 0;
        return;
    }
    if (flash.count >= 4 && flash.out[0] == 0x03) {
        flash_must_be_free();
        flash.answer = flash_bytes[flash_address()];
        const uint32_t next = flash_address() + 1;
        flash.out[1] = (uint8_t)(next >> 16);
        flash.out[2] = (uint8_t)(next >> 8);
        flash.out[3] = (uint8_t)next;
        return;
    }
    flash.out[flash.count++] = (uint8_t)byte;
}

/* Mailbox, probe and latch. */

static struct {
    uint32_t pending, request, slot, alive, idle;
    uint32_t calling, called, failed[CHIP_BAD_WORDS];
    uint32_t drive, saturated, probing;
    int32_t sums[CHIP_COLUMNS];
    uint32_t cause, irq, shifting;
    uint32_t since, own; /* instructions: when the firmware's own time began; in it so far, without calls and probes */
} bus;

static uint8_t *request_place(void) {
    return store + (bus.slot << CHIP_SLOT_BITS);
}

static uint8_t *answer_place(void) {
    return store + CHIP_ANSWERS_OFFSET + (bus.slot << CHIP_SLOT_BITS);
}

/* The firmware's own time ends, or begins again. */
static void stop_counting(void) {
    bus.own += devices_instructions - bus.since;
}

static void go_on_counting(void) {
    bus.since = devices_instructions;
}

static void hear_cause(void) {
    uint8_t cause;
    hear(&cause, 1);
    if (cause) {
        bus.cause = cause;
    }
}

static void wait_for_request(void) {
    uint8_t kind;
    fflush(stdout);
    for (;;) {
        hear(&kind, 1);
        if (kind == 'T') { /* the latch is set or cleared */
            uint8_t cause;
            hear(&cause, 1);
            bus.cause = cause;
        } else if (kind == 'F') { /* the power fails */
            flash.cut = 1;
            flash.cut_after = hear_word();
            flash.seed = hear_word() | 1;
        } else if (kind == 'H') { /* a host that always has a request waiting, and a slow flash */
            idle_polls = 0;
            busy_polls = SLOW_POLLS;
        } else if (kind == 'R') {
            uint8_t head[4];
            hear(head, sizeof head);
            bus.slot = head[3];
            bus.request = head[0] | (uint32_t)(head[1] | head[2] << 8) << 8;
            hear(request_place(), bus.request >> 8);
            bus.pending = 1;
            bus.idle = 0;
            bus.since = devices_instructions;
            bus.own = 0;
            return;
        } else {
            die("unknown message %02x", kind);
        }
    }
}

static void answered(uint32_t word) {
    if (!bus.pending) {
        die("an answer without a request");
    }
    const uint32_t length = word >> 8 & 0xFFFF;
    const uint8_t head[4] = {'A', (uint8_t)word, (uint8_t)length, (uint8_t)(length >> 8)};
    tell(head, sizeof head);
    stop_counting();
    tell_word(bus.own);
    tell(answer_place(), length);
    bus.pending = 0;
}

static void count_cells(const uint8_t *report) {
    memset(bus.failed, 0, sizeof bus.failed);
    for (uint32_t column = 0; column < CHIP_COLUMNS; column++) {
        const uint8_t status = report[OHMLOOM_PROGRAM_ANSWER_CELLS_BYTES * column + OHMLOOM_PROGRAM_ANSWER_CELLS_STATUS_OFFSET];
        if (status == OHMLOOM_CELL_EXHAUSTED || status == OHMLOOM_CELL_STUCK) {
            bus.failed[column / 32] |= UINT32_C(1) << column % 32;
        }
        if (status == OHMLOOM_CELL_TRIPPED) {
            bus.called |= CORE_REGISTER_CALL_CUT_MASK;
        }
    }
}

static void call(uint32_t word) {
    if (!bus.pending || bus.calling) {
        die("a call without a request, or within one");
    }
    const uint32_t length = word >> 8 & 0xFFFF;
    const uint8_t head[4] = {'C', (uint8_t)word, (uint8_t)length, (uint8_t)(length >> 8)};
    stop_counting();
    tell(head, sizeof head);
    tell_word(bus.own);
    tell(request_place(), length);
    fflush(stdout);
    uint8_t answer[3];
    hear(answer, sizeof answer);
    const uint32_t bytes = answer[1] | (uint32_t)answer[2] << 8, before = 2 * ((word & CORE_REGISTER_CALL_HEAD_MASK) >> CORE_REGISTER_CALL_HEAD_SHIFT);
    const uint32_t half = word & CORE_REGISTER_CALL_UPPER_MASK ? UINT32_C(1) << (CHIP_SLOT_BITS - 1) : 0;
    uint8_t *const place = answer_place() + half + before;
    hear(place, bytes);
    bus.called = answer[0] | (half + before + bytes) << 8;
    if (answer[0] == (OHMLOOM_COMMAND_PROGRAM | OHMLOOM_ANSWER) || answer[0] == (OHMLOOM_COMMAND_FORM | OHMLOOM_ANSWER)) {
        count_cells(place);
    }
    hear_cause();
    bus.calling = CALL_POLLS;
}

static void measure(uint32_t word) {
    if (!bus.pending || bus.calling) {
        die("a probe without a request, or within a call");
    }
    stop_counting();
    tell("P", 1);
    tell_word(bus.drive);
    tell_word(word);
    fflush(stdout);
    bus.saturated = hear_word();
    hear(bus.sums, sizeof bus.sums);
    hear_cause();
    bus.probing = 3;
}

static uint32_t status(void) {
    if (!bus.pending && bus.alive && bus.idle++ == idle_polls) {
        wait_for_request();
    }
    const uint32_t calling = bus.calling != 0, probing = bus.probing != 0, shifting = bus.shifting != 0;
    bus.calling -= calling;
    bus.probing -= probing;
    if ((calling && !bus.calling) || (probing && !bus.probing)) {
        go_on_counting();
    }
    bus.shifting -= shifting;
    return bus.pending | calling << CORE_REGISTER_STATUS_CALLING_SHIFT | probing << CORE_REGISTER_STATUS_PROBING_SHIFT |
           shifting << CORE_REGISTER_STATUS_SHIFTING_SHIFT | (uint32_t)(bus.cause != 0) << CORE_REGISTER_STATUS_TRIPPED_SHIFT |
           bus.cause << CORE_REGISTER_STATUS_CAUSE_SHIFT | bus.slot << CORE_REGISTER_STATUS_SLOT_SHIFT |
           bus.slot << CORE_REGISTER_STATUS_ANSWER_SLOT_SHIFT;
}

int devices_interrupt(void) {
    return bus.cause && bus.irq;
}

static uint32_t read_register(uint32_t address) {
    switch (address) {
    case CORE_REGISTER_STATUS:
        return status();
    case CORE_REGISTER_REQUEST:
        return bus.request;
    case CORE_REGISTER_CALL:
        return bus.called;
    case CORE_REGISTER_FLASH:
        if (bus.shifting) {
            die("the flash's byte was read while it was shifted");
        }
        return flash.answer;
    case CORE_REGISTER_PROBE:
        if (bus.probing) {
            die("the probe was read while it measured");
        }
        return bus.saturated;
    case CORE_REGISTER_TIME:
        return devices_instructions;
    default:
        if (address - CORE_REGISTER_FAILED < 4 * CHIP_BAD_WORDS) {
            return bus.failed[(address - CORE_REGISTER_FAILED) / 4];
        }
        die("register %x cannot be read", address);
    }
}

static void write_register(uint32_t address, uint32_t value) {
    switch (address) {
    case CORE_REGISTER_ANSWER:
        answered(value);
        break;
    case CORE_REGISTER_CALL:
        call(value);
        break;
    case CORE_REGISTER_ALIVE:
        bus.alive = value;
        break;
    case CORE_REGISTER_FLASH:
        if (bus.shifting) {
            die("the flash's register was written while it shifted");
        }
        if (value & CORE_REGISTER_FLASH_SELECT_MASK) {
            flash_byte(value & 0xFF);
            bus.shifting = 1;
        } else {
            flash_deselected();
            flash.selected = 0;
        }
        break;
    case CORE_REGISTER_DRIVE:
        bus.drive = value;
        break;
    case CORE_REGISTER_PROBE:
        measure(value);
        break;
    case CORE_REGISTER_TRIP_IRQ:
        bus.irq = value & 1;
        break;
    default:
        die("register %x cannot be written", address);
    }
}

static void check(uint32_t address, uint32_t size) {
    if (address & (size - 1)) {
        die("address %x is no multiple of %u", address, size);
    }
    if (address < CORE_STORE_BASE || (address >= CORE_REGISTERS_BASE && size != SIZE_WORD)) {
        die("no %u bytes at %x", size, address);
    }
}

uint32_t devices_read(uint32_t address, uint32_t size) {
    check(address, size);
    if (address >= CORE_SUMS_BASE) {
        const uint32_t column = (address - CORE_SUMS_BASE) / 4;
        if (column >= CHIP_COLUMNS) {
            die("no column %u", column);
        }
        return (uint32_t)bus.sums[column];
    }
    if (address >= CORE_REGISTERS_BASE) {
        return read_register(address);
    }
    uint32_t value = 0;
    memcpy(&value, store + (address - CORE_STORE_BASE), size);
    return value;
}

void devices_write(uint32_t address, uint32_t value, uint32_t size) {
    check(address, size);
    if (address >= CORE_SUMS_BASE) {
        die("sums cannot be written");
    }
    if (address >= CORE_REGISTERS_BASE) {
        write_register(address, value);
        return;
    }
    memcpy(store + (address - CORE_STORE_BASE), &value, size);
}
