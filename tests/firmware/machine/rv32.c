/* The image as it is built, executed: an RV32I core with the boot ROM. RAM begins with garbage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "devices.h"

#define MSTATUS_MIE 0x8u
#define MSTATUS_MPIE 0x80u
#define MIE_EXTERNAL 0x800u
#define CAUSE_EXTERNAL 0x8000000Bu
#define CAUSE_ILLEGAL 2u
#define CAUSE_LOAD 4u

static uint32_t x[32], pc, mstatus, mie, mtvec, mepc, mcause;
static uint8_t rom[CORE_ROM_BYTES], ram[CORE_RAM_BYTES];
static uint32_t lowest_stack = UINT32_MAX;

static uint8_t *memory(uint32_t address, uint32_t size, int writing) {
    if (address & (size - 1)) {
        die("pc %x: address %x is no multiple of %u", pc, address, size);
    }
    if (address < CORE_ROM_BYTES && !writing) {
        return rom + address;
    }
    if (address - CORE_RAM_BASE < CORE_RAM_BYTES) {
        return ram + (address - CORE_RAM_BASE);
    }
    die("pc %x: no memory at %x", pc, address);
}

static uint32_t load(uint32_t address, uint32_t size) {
    if (address >= CORE_STORE_BASE) {
        return devices_read(address, size);
    }
    uint32_t value = 0;
    memcpy(&value, memory(address, size, 0), size);
    return value;
}

static void store(uint32_t address, uint32_t value, uint32_t size) {
    if (address >= CORE_STORE_BASE) {
        devices_write(address, value, size);
    } else {
        memcpy(memory(address, size, 1), &value, size);
    }
}

static void trap(uint32_t cause, uint32_t from) {
    mepc = from;
    mcause = cause;
    mstatus = mstatus & MSTATUS_MIE ? MSTATUS_MPIE : 0;
    pc = mtvec;
}

static uint32_t *csr(uint32_t number) {
    switch (number) {
    case 0x300:
        return &mstatus;
    case 0x304:
        return &mie;
    case 0x305:
        return &mtvec;
    case 0x341:
        return &mepc;
    case 0x342:
        return &mcause;
    default:
        die("pc %x: no CSR %x", pc, number);
    }
}

static void system_instruction(uint32_t word) {
    const uint32_t kind = word >> 12 & 7, source = word >> 15 & 31, target = word >> 7 & 31;
    if (word == 0x30200073) { /* mret */
        pc = mepc;
        mstatus = mstatus & MSTATUS_MPIE ? MSTATUS_MIE | MSTATUS_MPIE : MSTATUS_MPIE;
        return;
    }
    if (!(kind & 3)) {
        trap(CAUSE_ILLEGAL, pc);
        return;
    }
    uint32_t *place = csr(word >> 20);
    const uint32_t old = *place, value = kind & 4 ? source : x[source];
    if ((kind & 3) == 1) {
        *place = value;
    } else if ((kind & 3) == 2) {
        *place = old | value;
    } else {
        *place = old & ~value;
    }
    x[target] = old;
    pc += 4;
}

static uint32_t arithmetic(uint32_t kind, uint32_t a, uint32_t b, int other) {
    switch (kind) {
    case 0:
        return other ? a - b : a + b;
    case 1:
        return a << (b & 31);
    case 2:
        return (int32_t)a < (int32_t)b;
    case 3:
        return a < b;
    case 4:
        return a ^ b;
    case 5:
        return other ? (uint32_t)((int32_t)a >> (b & 31)) : a >> (b & 31);
    case 6:
        return a | b;
    default:
        return a & b;
    }
}

static int branches(uint32_t kind, uint32_t a, uint32_t b) {
    switch (kind) {
    case 0:
        return a == b;
    case 1:
        return a != b;
    case 4:
        return (int32_t)a < (int32_t)b;
    case 5:
        return (int32_t)a >= (int32_t)b;
    case 6:
        return a < b;
    case 7:
        return a >= b;
    default:
        die("pc %x: no such branch", pc);
    }
}

static void load_instruction(uint32_t kind, uint32_t target, uint32_t address) {
    const uint32_t size = 1u << (kind & 3);
    uint32_t value = load(address, size);
    if (!(kind & 4) && size < 4) {
        const uint32_t sign = 1u << (8 * size - 1);
        value = (value ^ sign) - sign;
    }
    x[target] = value;
}

static void step(void) {
    if (devices_interrupt() && (mstatus & MSTATUS_MIE) && (mie & MIE_EXTERNAL)) {
        trap(CAUSE_EXTERNAL, pc);
    }
    const uint32_t word = load(pc, 4);
    const uint32_t target = word >> 7 & 31, kind = word >> 12 & 7, a = x[word >> 15 & 31], b = x[word >> 20 & 31];
    const uint32_t immediate = (uint32_t)((int32_t)word >> 20);
    devices_instructions++;
    switch (word & 0x7F) {
    case 0x37:
        x[target] = word & 0xFFFFF000;
        pc += 4;
        break;
    case 0x17:
        x[target] = pc + (word & 0xFFFFF000);
        pc += 4;
        break;
    case 0x6F: {
        const uint32_t offset = (uint32_t)((int32_t)(word & 0x80000000) >> 11) | (word & 0xFF000) | (word >> 9 & 0x800) |
                                (word >> 20 & 0x7FE);
        x[target] = pc + 4;
        pc += offset;
        break;
    }
    case 0x67: {
        const uint32_t to = (a + immediate) & ~1u;
        x[target] = pc + 4;
        pc = to;
        break;
    }
    case 0x63: {
        const uint32_t offset = (uint32_t)((int32_t)(word & 0x80000000) >> 19) | (word << 4 & 0x800) | (word >> 20 & 0x7E0) |
                                (word >> 7 & 0x1E);
        pc += branches(kind, a, b) ? offset : 4;
        break;
    }
    case 0x03:
        load_instruction(kind, target, a + immediate);
        pc += 4;
        break;
    case 0x23:
        store(a + ((uint32_t)((int32_t)(word & 0xFE000000) >> 20) | target), b, 1u << kind);
        pc += 4;
        break;
    case 0x13:
        x[target] = arithmetic(kind, a, immediate, kind == 5 && word >> 30 & 1);
        pc += 4;
        break;
    case 0x33:
        if (word >> 25 & ~0x20u) {
            die("pc %x: instruction %08x is not RV32I", pc, word);
        }
        x[target] = arithmetic(kind, a, b, word >> 30 & 1);
        pc += 4;
        break;
    case 0x73:
        system_instruction(word);
        break;
    default:
        die("pc %x: no instruction %08x", pc, word);
    }
    x[0] = 0;
    if (x[2] < lowest_stack && x[2] >= CORE_RAM_BASE && pc >= CORE_RAM_BASE) {
        lowest_stack = x[2];
    }
}

static void report_stack(void) {
    if (lowest_stack != UINT32_MAX) {
        fprintf(stderr, "stack %u\n", CORE_RAM_BASE + CORE_STAGE_OFFSET - lowest_stack);
    }
}

int main(int count, char **arguments) {
    if (count != 4) {
        die("usage: %s FLASH STORE ROM", arguments[0]);
    }
    devices_open(arguments[1], arguments[2]);
    FILE *file = fopen(arguments[3], "rb");
    if (!file || !fread(rom, 1, sizeof rom, file)) {
        die("%s cannot be read", arguments[3]);
    }
    fclose(file);
    memset(ram, 0xA5, sizeof ram);
    atexit(report_stack);
    for (;;) {
        step();
    }
}
