/* A bus with nothing but a few bytes on it. */
#include "hw.h"

extern uint8_t buffer[4096];
uint8_t buffer[4096];

uint32_t read32(uint32_t address) {
    return read16(address) | (uint32_t)read16(address + 2) << 16;
}

uint16_t read16(uint32_t address) {
    return (uint16_t)(read8(address) | read8(address + 1) << 8);
}

uint8_t read8(uint32_t address) {
    return buffer[address & (sizeof buffer - 1)];
}

void write32(uint32_t address, uint32_t value) {
    write16(address, (uint16_t)value);
    write16(address + 2, (uint16_t)(value >> 16));
}

void write16(uint32_t address, uint16_t value) {
    write8(address, (uint8_t)value);
    write8(address + 1, (uint8_t)(value >> 8));
}

void write8(uint32_t address, uint8_t value) {
    buffer[address & (sizeof buffer - 1)] = value;
}
