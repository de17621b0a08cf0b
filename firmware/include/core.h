/* The RISC-V core's memory map and registers.
 * Generated from the spec by `python -m ohmloom.spec.generate`: do not edit. SPDX-License-Identifier: BSD-2-Clause
 * Register addresses are absolute. */
#ifndef OHMLOOM_CORE_H
#define OHMLOOM_CORE_H

#include <stdint.h>

#define CORE_FIRMWARE_VERSION 0x100u
#define CORE_FIRMWARE_MAGIC 0x574D4C4Fu
#define CORE_FIRMWARE_COMMANDS 0x30u
#define CORE_ROM_BASE 0x0u
#define CORE_ROM_BYTES 0x400u
#define CORE_ROM_STAGED 0xCu
#define CORE_RAM_BASE 0x20000u
#define CORE_RAM_BYTES 0xB000u
#define CORE_STORE_BASE 0x40000u
#define CORE_REGISTERS_BASE 0x60000u
#define CORE_SUMS_BASE 0x70000u
#define CORE_IMAGE_BYTES 0x5000u
#define CORE_STAGE_OFFSET 0x6000u
#define CORE_STACK_BYTES 0x800u
#define CORE_FLASH_JOURNAL 0x120000u
#define CORE_FLASH_SECTOR_BYTES 0x1000u
#define CORE_FLASH_PAGE_BYTES 0x100u
#define CORE_PROBE_COUNT 0x10u
#define CORE_CALIBRATION_SAMPLES 0x100u
#define CORE_IV_SAMPLES 0x10u
#define CORE_SELFTEST_SAMPLES 0x10u
#define CORE_TIME_BITS 0x18u
#define CORE_FLASH_IMAGE_A 0x100000u
#define CORE_FLASH_IMAGE_B 0x110000u
#define CORE_IMAGE_MAGIC_OFFSET 0u
#define CORE_IMAGE_VERSION_OFFSET 4u
#define CORE_IMAGE_BYTES_OFFSET 8u
#define CORE_IMAGE_CRC_OFFSET 12u
#define CORE_IMAGE_ENTRY_OFFSET 16u
#define CORE_IMAGE_HEADER_BYTES 20u
#define CORE_REGISTER_STATUS 0x60000u /* r: what is under way */
#define CORE_REGISTER_STATUS_PENDING_SHIFT 0u /* a request of the link waits for the firmware */
#define CORE_REGISTER_STATUS_PENDING_MASK UINT32_C(0x00000001)
#define CORE_REGISTER_STATUS_CALLING_SHIFT 1u /* the command processor executes a CALL */
#define CORE_REGISTER_STATUS_CALLING_MASK UINT32_C(0x00000002)
#define CORE_REGISTER_STATUS_PROBING_SHIFT 2u /* the probe measures */
#define CORE_REGISTER_STATUS_PROBING_MASK UINT32_C(0x00000004)
#define CORE_REGISTER_STATUS_SHIFTING_SHIFT 3u /* the flash's shift register runs */
#define CORE_REGISTER_STATUS_SHIFTING_MASK UINT32_C(0x00000008)
#define CORE_REGISTER_STATUS_TRIPPED_SHIFT 4u /* the safety latch is set */
#define CORE_REGISTER_STATUS_TRIPPED_MASK UINT32_C(0x00000010)
#define CORE_REGISTER_STATUS_CAUSE_SHIFT 5u /* as in register trip_cause */
#define CORE_REGISTER_STATUS_CAUSE_MASK UINT32_C(0x000000E0)
#define CORE_REGISTER_STATUS_SLOT_SHIFT 8u /* the store's slot of the request's payload */
#define CORE_REGISTER_STATUS_SLOT_MASK UINT32_C(0x00000F00)
#define CORE_REGISTER_STATUS_ANSWER_SLOT_SHIFT 12u /* and of the answer's */
#define CORE_REGISTER_STATUS_ANSWER_SLOT_MASK UINT32_C(0x0000F000)
#define CORE_REGISTER_REQUEST 0x60004u /* r: the link's request */
#define CORE_REGISTER_REQUEST_TYPE_SHIFT 0u /* frame type */
#define CORE_REGISTER_REQUEST_TYPE_MASK UINT32_C(0x000000FF)
#define CORE_REGISTER_REQUEST_LENGTH_SHIFT 8u /* payload bytes */
#define CORE_REGISTER_REQUEST_LENGTH_MASK UINT32_C(0x00FFFF00)
#define CORE_REGISTER_ANSWER 0x6000Cu /* w: ends the request */
#define CORE_REGISTER_ANSWER_TYPE_SHIFT 0u /* frame type */
#define CORE_REGISTER_ANSWER_TYPE_MASK UINT32_C(0x000000FF)
#define CORE_REGISTER_ANSWER_LENGTH_SHIFT 8u /* payload bytes */
#define CORE_REGISTER_ANSWER_LENGTH_MASK UINT32_C(0x00FFFF00)
#define CORE_REGISTER_CALL 0x60010u /* rw: has a request executed; read: what it was answered */
#define CORE_REGISTER_CALL_TYPE_SHIFT 0u /* frame type */
#define CORE_REGISTER_CALL_TYPE_MASK UINT32_C(0x000000FF)
#define CORE_REGISTER_CALL_LENGTH_SHIFT 8u /* payload bytes */
#define CORE_REGISTER_CALL_LENGTH_MASK UINT32_C(0x00FFFF00)
#define CORE_REGISTER_CALL_HEAD_SHIFT 24u /* written: halves of words that its answer leaves free before it; they count in its length */
#define CORE_REGISTER_CALL_HEAD_MASK UINT32_C(0x03000000)
#define CORE_REGISTER_CALL_UPPER_SHIFT 26u /* written: its answer is in the upper half of the slot, the lower half of which counts in its length */
#define CORE_REGISTER_CALL_UPPER_MASK UINT32_C(0x04000000)
#define CORE_REGISTER_CALL_CUT_SHIFT 27u /* read: it reported a cell as TRIPPED */
#define CORE_REGISTER_CALL_CUT_MASK UINT32_C(0x08000000)
#define CORE_REGISTER_ALIVE 0x60014u /* w: 1: requests for the firmware are shown to it; 0: they are refused with NO_FIRMWARE */
#define CORE_REGISTER_ALIVE_ALIVE_SHIFT 0u
#define CORE_REGISTER_ALIVE_ALIVE_MASK UINT32_C(0x00000001)
#define CORE_REGISTER_FLASH 0x60018u /* rw: shifts eight bits out and in, most significant first; read: what came in */
#define CORE_REGISTER_FLASH_DATA_SHIFT 0u
#define CORE_REGISTER_FLASH_DATA_MASK UINT32_C(0x000000FF)
#define CORE_REGISTER_FLASH_SELECT_SHIFT 8u /* the flash's chip select during and after the byte; a byte without it only deselects */
#define CORE_REGISTER_FLASH_SELECT_MASK UINT32_C(0x00000100)
#define CORE_REGISTER_DRIVE 0x6001Cu /* w: what the probe drives */
#define CORE_REGISTER_DRIVE_FIRST_ROW_SHIFT 0u /* word line; the number of rows: the reference row */
#define CORE_REGISTER_DRIVE_FIRST_ROW_MASK UINT32_C(0x000003FF)
#define CORE_REGISTER_DRIVE_ROWS_SHIFT 10u /* 0: no word line is on */
#define CORE_REGISTER_DRIVE_ROWS_MASK UINT32_C(0x00000400)
#define CORE_REGISTER_DRIVE_TILE_SHIFT 11u
#define CORE_REGISTER_DRIVE_TILE_MASK UINT32_C(0x0000F800)
#define CORE_REGISTER_DRIVE_TIA_RANGE_SHIFT 16u
#define CORE_REGISTER_DRIVE_TIA_RANGE_MASK UINT32_C(0x000F0000)
#define CORE_REGISTER_DRIVE_FIRST_SLOT_SHIFT 20u /* conversions: columns slot * column_adcs .. */
#define CORE_REGISTER_DRIVE_FIRST_SLOT_MASK UINT32_C(0x00F00000)
#define CORE_REGISTER_DRIVE_LAST_SLOT_SHIFT 24u
#define CORE_REGISTER_DRIVE_LAST_SLOT_MASK UINT32_C(0x0F000000)
#define CORE_REGISTER_PROBE 0x60020u /* rw: drives and converts `count` times, and sums each column's raw codes; read: samples at a converter's end of all of them */
#define CORE_REGISTER_PROBE_CODE_SHIFT 0u /* row code, signed */
#define CORE_REGISTER_PROBE_CODE_MASK UINT32_C(0x00000FFF)
#define CORE_REGISTER_PROBE_COUNT_SHIFT 16u /* 1..16 */
#define CORE_REGISTER_PROBE_COUNT_MASK UINT32_C(0x001F0000)
#define CORE_REGISTER_TIME 0x60024u /* r: cycles since reset */
#define CORE_REGISTER_TIME_CYCLES_SHIFT 0u
#define CORE_REGISTER_TIME_CYCLES_MASK UINT32_C(0x00FFFFFF)
#define CORE_REGISTER_TRIP_IRQ 0x60028u /* w: 1: the set safety latch interrupts */
#define CORE_REGISTER_TRIP_IRQ_ENABLE_SHIFT 0u
#define CORE_REGISTER_TRIP_IRQ_ENABLE_MASK UINT32_C(0x00000001)
#define CORE_REGISTER_FAILED 0x6002Cu /* r: word n: which of columns 32 n .. 32 n + 31 the last CALL reported as EXHAUSTED or STUCK; the lowest bit is the first */
#define CORE_REGISTER_FAILED_COLUMNS_SHIFT 0u
#define CORE_REGISTER_FAILED_COLUMNS_MASK UINT32_C(0xFFFFFFFF)

#endif /* OHMLOOM_CORE_H */
