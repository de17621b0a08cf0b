#include "checks.h"

#include "chip.h"
#include "mailbox.h"
#include "ohmloom.h"

int check_below(uint32_t value, uint32_t count, uint32_t error) {
    if (value >= count) {
        refuse(error, value);
        return 0;
    }
    return 1;
}

int check_tile(uint32_t tile) {
    return check_below(tile, CHIP_TILES, OHMLOOM_ERROR_BAD_ADDRESS);
}

int check_row(uint32_t row) {
    return check_below(row, CHIP_ROWS, OHMLOOM_ERROR_BAD_ADDRESS);
}
