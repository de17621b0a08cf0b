/* Registers, commands, payloads and memories of the ohmloom controller.
 * Generated from the spec by `python -m ohmloom.spec.generate`: do not edit. SPDX-License-Identifier: BSD-2-Clause
 * Register addresses are bytes. Offsets are bytes from the start of a payload or record, little-endian, unaligned. */
#ifndef OHMLOOM_H
#define OHMLOOM_H

#include <stdint.h>

/* Registers */
#define OHMLOOM_REGISTER_ID 0x00u /* r: Reads the letters OMLM. */
#define OHMLOOM_REGISTER_VERSION 0x04u /* r: Controller version, 0xMMmmpp. */
#define OHMLOOM_REGISTER_STATUS 0x08u /* r: What the controller is ready for. */
#define OHMLOOM_REGISTER_STATUS_TRIPPED_SHIFT 0u /* The safety latch is set; every line floats. */
#define OHMLOOM_REGISTER_STATUS_TRIPPED_MASK UINT32_C(0x00000001)
#define OHMLOOM_REGISTER_STATUS_ARMED_SHIFT 1u /* The next FORM is allowed. */
#define OHMLOOM_REGISTER_STATUS_ARMED_MASK UINT32_C(0x00000002)
#define OHMLOOM_REGISTER_STATUS_NETWORK_VALID_SHIFT 2u /* NETWORK memory holds a valid network. */
#define OHMLOOM_REGISTER_STATUS_NETWORK_VALID_MASK UINT32_C(0x00000004)
#define OHMLOOM_REGISTER_TRIP_CAUSE 0x0Cu /* r: Why the safety latch is set; 0 when it is not. */
#define OHMLOOM_REGISTER_TRIP_CAUSE_OVER_CURRENT_SHIFT 0u /* The AFE's over-current pin. */
#define OHMLOOM_REGISTER_TRIP_CAUSE_OVER_CURRENT_MASK UINT32_C(0x00000001)
#define OHMLOOM_REGISTER_TRIP_CAUSE_WATCHDOG_SHIFT 1u /* An operation did not end in time. */
#define OHMLOOM_REGISTER_TRIP_CAUSE_WATCHDOG_MASK UINT32_C(0x00000002)
#define OHMLOOM_REGISTER_TRIP_CAUSE_HOST_SHIFT 2u /* A write to trip_set. */
#define OHMLOOM_REGISTER_TRIP_CAUSE_HOST_MASK UINT32_C(0x00000004)
#define OHMLOOM_REGISTER_TRIP_CLEAR 0x10u /* w: Writing the key clears the safety latch, once its cause has gone. */
#define OHMLOOM_REGISTER_TRIP_CLEAR_KEY UINT32_C(0x434C5254)
#define OHMLOOM_REGISTER_TRIP_SET 0x14u /* w: Any write sets the safety latch: all lines float. */
#define OHMLOOM_REGISTER_ARM 0x18u /* w: Writing the key arms one FORM; any other value disarms. */
#define OHMLOOM_REGISTER_ARM_KEY UINT32_C(0x464F524D)
#define OHMLOOM_REGISTER_SCRATCH 0x1Cu /* rw: For link tests. */
#define OHMLOOM_REGISTER_FRAMES_GOOD 0x20u /* r: Frames with a good CRC since power-up. */
#define OHMLOOM_REGISTER_FRAMES_BAD 0x24u /* r: Frames dropped for CRC, stuffing or length. */
#define OHMLOOM_REGISTER_NAKS 0x28u /* r: Frames answered with a NAK. */
#define OHMLOOM_REGISTER_REPEATS 0x2Cu /* r: Requests answered from the answer memory. */
#define OHMLOOM_REGISTER_PULSES 0x30u /* r: Write and forming pulses applied. */
#define OHMLOOM_REGISTER_DRIVES 0x34u /* r: Row drives that were converted. */
#define OHMLOOM_REGISTER_SATURATIONS 0x38u /* r: Column samples at a converter's end. */
#define OHMLOOM_REGISTER_READ_CLAMP 0x40u /* r: Largest row code while reading, either sign. */
#define OHMLOOM_REGISTER_SET_CLAMP 0x44u /* r: Largest rail code of a SET pulse. */
#define OHMLOOM_REGISTER_RESET_CLAMP 0x48u /* r: Largest rail code of a RESET pulse. */
#define OHMLOOM_REGISTER_FORM_CLAMP 0x4Cu /* r: Largest rail code of a forming pulse. */
#define OHMLOOM_REGISTER_GATE_CLAMP 0x50u /* r: Largest word-line code. */
#define OHMLOOM_REGISTER_PULSE_CAP_NS 0x54u /* r: Longest SET or RESET pulse, ns. */
#define OHMLOOM_REGISTER_FORM_CAP_NS 0x58u /* r: Longest forming pulse, ns. */
#define OHMLOOM_REGISTER_CELLS_PER_PULSE 0x5Cu /* r: Cells that one pulse may write. */

/* Link, codes and limits */
#define OHMLOOM_PROTOCOL_VERSION 1
#define OHMLOOM_ANSWER 128
#define OHMLOOM_TYPE_NAK 254
#define OHMLOOM_TYPE_ERROR 255
#define OHMLOOM_DEFAULT_BAUD 115200
#define OHMLOOM_BAUD_MIN 9600
#define OHMLOOM_PROVISIONAL_BAD_FRAMES 4
#define OHMLOOM_MAX_EVENTS 64
#define OHMLOOM_MAX_RETRIES 8
#define OHMLOOM_NO_ROW 65535
#define OHMLOOM_PULSE_TRIPPED (-32768)
#define OHMLOOM_CODE_MIN (-2048)
#define OHMLOOM_CODE_MAX 2047
#define OHMLOOM_FRACTION_BITS 4
#define OHMLOOM_GAIN_BITS 15
#define OHMLOOM_GAIN_ONE 32768
#define OHMLOOM_OUTPUT_MAX 32767
#define OHMLOOM_REFERENCE_BITS 16
#define OHMLOOM_OFFSET_BOUND 1024
#define OHMLOOM_GAIN_BOUND 4915
#define OHMLOOM_REFERENCE_BOUND_PERCENT 15
#define OHMLOOM_SURE_CODES 128
#define OHMLOOM_NETWORK_MAGIC UINT32_C(0x4E4C4D4F)
#define OHMLOOM_POLICY_ERROR_BUCKETS 16
#define OHMLOOM_POLICY_CONDUCTANCE_BUCKETS 8
#define OHMLOOM_POLICY_MAX_BACKOFFS 8
#define OHMLOOM_POLICY_NO_EDGE 32767

/* Commands */
#define OHMLOOM_COMMAND_HELLO 0x01u /* opens a session and clears the answer memory; the next frame's number follows HELLO's */
#define OHMLOOM_COMMAND_INFO 0x02u /* names the chip */
#define OHMLOOM_COMMAND_READ_REGISTERS 0x03u /* reads consecutive registers */
#define OHMLOOM_COMMAND_WRITE_REGISTERS 0x04u /* writes consecutive registers */
#define OHMLOOM_COMMAND_MEM_WRITE 0x05u /* loads bytes into a memory */
#define OHMLOOM_COMMAND_MEM_READ 0x06u /* reads bytes of a memory */
#define OHMLOOM_COMMAND_RATE 0x07u /* changes the line rate after this answer; provisional until a good frame arrives at the new rate */
#define OHMLOOM_COMMAND_MVM 0x10u /* multiplies vectors of row codes by one tile; answers raw signed column codes */
#define OHMLOOM_COMMAND_ROUTE 0x12u /* chains tiles with no converter between them for MVMs on the first tile of the route; no stages: none */
#define OHMLOOM_COMMAND_INFER 0x11u /* runs the loaded network on vectors of input codes */
#define OHMLOOM_COMMAND_PROGRAM 0x20u /* write-verifies one row: cells with tolerance 0 are left alone */
#define OHMLOOM_COMMAND_READ 0x21u /* reads rows one at a time at the verify voltage; corrected codes */
#define OHMLOOM_COMMAND_PULSE 0x22u /* applies one characterisation pulse to one cell, then reads it */
#define OHMLOOM_COMMAND_FORM 0x23u /* forms the masked cells of one row; needs the arm key, which it uses up */
#define OHMLOOM_COMMAND_IV 0x30u /* reads one cell at a list of row codes within the read clamp */
#define OHMLOOM_COMMAND_CALIBRATE 0x31u /* measures offset and gain of every column of a tile on the reference row and stores the correction */
#define OHMLOOM_COMMAND_SELFTEST 0x32u /* tests memories, converters and reference resistors */
#define OHMLOOM_COMMAND_RUN_BEGIN 0x33u /* begins a run over rows, whose targets and progress are kept in flash; forgets the run before */
#define OHMLOOM_COMMAND_RUN_LOAD 0x34u /* keeps one row's targets; a row is loaded once in a run */
#define OHMLOOM_COMMAND_RUN_NEXT 0x35u /* programs or forms the next row that is not done, in the order of tiles and rows */
#define OHMLOOM_COMMAND_RUN_STATUS 0x36u /* how far the run is; right after a reset, too */
#define OHMLOOM_COMMAND_RUN_ROW 0x37u /* one row of the run: its state and its bad cells */
#define OHMLOOM_COMMAND_REFRESH 0x38u /* reads one done row of a PROGRAM run and programs its cells that left their tolerance; bad cells are left alone */
#define OHMLOOM_COMMAND_UPDATE 0x39u /* stores a part of a new firmware image beside the one that runs */
#define OHMLOOM_COMMAND_BOOT 0x3Au /* checks the new image and starts it; a bad one is refused, and the old one goes on */
#define OHMLOOM_COMMAND_FIRMWARE 0x3Bu /* names the firmware that runs */
#define OHMLOOM_COMMAND_SERVICE 0x40u /* answers the events after the given number (trips, forming, saturation) */
#define OHMLOOM_COMMAND_ADVANCE 0x50u /* lets fabric time pass and answers the meters */

/* ErrorCode */
#define OHMLOOM_ERROR_UNKNOWN_COMMAND 1 /* the controller does not know this command */
#define OHMLOOM_ERROR_BAD_LENGTH 2 /* the payload's length does not fit the command */
#define OHMLOOM_ERROR_BAD_ADDRESS 3 /* no such tile, row, column, register or memory offset */
#define OHMLOOM_ERROR_BAD_CODE 4 /* a DAC code is beyond the clamp of its mode */
#define OHMLOOM_ERROR_BAD_VALUE 5 /* a value is outside its allowed range */
#define OHMLOOM_ERROR_ANSWER_TOO_LONG 6 /* the answer would not fit one frame: ask for less */
#define OHMLOOM_ERROR_NOT_ARMED 7 /* forming needs the arm key first */
#define OHMLOOM_ERROR_TRIPPED 8 /* the safety latch is set: clear the trip first */
#define OHMLOOM_ERROR_NO_NETWORK 9 /* no valid network is loaded */
#define OHMLOOM_ERROR_NOT_EMULATED 10 /* only an emulated fabric can do this */
#define OHMLOOM_ERROR_READ_ONLY 11 /* this register or memory is read-only */
#define OHMLOOM_ERROR_NO_FIRMWARE 12 /* the firmware that answers this is not running */

/* NakReason */
#define OHMLOOM_NAK_BAD_FRAME 1
#define OHMLOOM_NAK_OUT_OF_SEQUENCE 2
#define OHMLOOM_NAK_NO_SESSION 3

/* CellStatus */
#define OHMLOOM_CELL_SKIPPED 0
#define OHMLOOM_CELL_CONVERGED 1
#define OHMLOOM_CELL_EXHAUSTED 2
#define OHMLOOM_CELL_STUCK 3
#define OHMLOOM_CELL_TRIPPED 4

/* Polarity */
#define OHMLOOM_POLARITY_SET 0
#define OHMLOOM_POLARITY_RESET 1

/* Memory */
#define OHMLOOM_MEMORY_NETWORK 0
#define OHMLOOM_MEMORY_BIAS 1
#define OHMLOOM_MEMORY_CORRECTION 2
#define OHMLOOM_MEMORY_POLICY 3
#define OHMLOOM_MEMORY_NOTES 4

/* Cause */
#define OHMLOOM_CAUSE_ARRAY_READ 0
#define OHMLOOM_CAUSE_ROW_DAC 1
#define OHMLOOM_CAUSE_TIA 2
#define OHMLOOM_CAUSE_ADC 3
#define OHMLOOM_CAUSE_WRITE 4
#define OHMLOOM_CAUSE_IDLE 5

/* EventKind */
#define OHMLOOM_EVENT_TRIP 1
#define OHMLOOM_EVENT_FORM 2
#define OHMLOOM_EVENT_SATURATED 4

/* RunKind */
#define OHMLOOM_RUN_KIND_PROGRAM 0
#define OHMLOOM_RUN_KIND_FORM 1

/* RowState */
#define OHMLOOM_ROW_STATE_EMPTY 0
#define OHMLOOM_ROW_STATE_LOADED 1
#define OHMLOOM_ROW_STATE_BEGUN 2
#define OHMLOOM_ROW_STATE_DONE 3

/* BootTarget */
#define OHMLOOM_BOOT_RAM 0
#define OHMLOOM_BOOT_FLASH 1

/* Finding */
#define OHMLOOM_FINDING_MEMORY 1
#define OHMLOOM_FINDING_ADC_CHANNEL 2
#define OHMLOOM_FINDING_REFERENCE 3
#define OHMLOOM_FINDING_ROW_SHORT 4

/* StepFlag */
#define OHMLOOM_STEP_FLAG_FIRST 1
#define OHMLOOM_STEP_FLAG_LAST 2
#define OHMLOOM_STEP_FLAG_RELU 4
#define OHMLOOM_STEP_FLAG_OUTPUT 8
#define OHMLOOM_STEP_FLAG_ANALOG 16
#define OHMLOOM_STEP_FLAG_LEVEL 32

/* HELLO payloads */
#define OHMLOOM_HELLO_REQUEST_SESSION_OFFSET 0u /* u32 random number of the connection */
#define OHMLOOM_HELLO_REQUEST_PROTOCOL_OFFSET 4u /* u16 protocol version of the host */
#define OHMLOOM_HELLO_REQUEST_BYTES 6u
#define OHMLOOM_HELLO_ANSWER_SESSION_OFFSET 0u /* u32 as given */
#define OHMLOOM_HELLO_ANSWER_PROTOCOL_OFFSET 4u /* u16 protocol version of the controller */
#define OHMLOOM_HELLO_ANSWER_WINDOW_OFFSET 6u /* u8 requests that may be in flight */
#define OHMLOOM_HELLO_ANSWER_PAYLOAD_OFFSET 7u /* u16 largest payload in bytes */
#define OHMLOOM_HELLO_ANSWER_BAUD_MAX_OFFSET 9u /* u32 highest line rate */
#define OHMLOOM_HELLO_ANSWER_EMULATED_OFFSET 13u /* u8 1 when the fabric is emulated */
#define OHMLOOM_HELLO_ANSWER_BYTES 14u

/* INFO payloads */
#define OHMLOOM_INFO_ANSWER_VERSION_OFFSET 0u /* u32 controller version, 0xMMmmpp */
#define OHMLOOM_INFO_ANSWER_TILES_OFFSET 4u /* u8 */
#define OHMLOOM_INFO_ANSWER_ROWS_OFFSET 5u /* u16 */
#define OHMLOOM_INFO_ANSWER_COLUMNS_OFFSET 7u /* u16 */
#define OHMLOOM_INFO_ANSWER_DIGEST_OFFSET 9u /* u32 CRC-32 of the chip spec's canonical JSON */
#define OHMLOOM_INFO_ANSWER_NAME_OFFSET 13u /* u8[] UTF-8 chip name */

/* READ_REGISTERS payloads */
#define OHMLOOM_READ_REGISTERS_REQUEST_ADDRESS_OFFSET 0u /* u16 first word address */
#define OHMLOOM_READ_REGISTERS_REQUEST_COUNT_OFFSET 2u /* u8 1..64 */
#define OHMLOOM_READ_REGISTERS_REQUEST_BYTES 3u
#define OHMLOOM_READ_REGISTERS_ANSWER_VALUES_OFFSET 0u /* u32[] */

/* WRITE_REGISTERS payloads */
#define OHMLOOM_WRITE_REGISTERS_REQUEST_ADDRESS_OFFSET 0u /* u16 first word address */
#define OHMLOOM_WRITE_REGISTERS_REQUEST_VALUES_OFFSET 2u /* u32[] */

/* MEM_WRITE payloads */
#define OHMLOOM_MEM_WRITE_REQUEST_MEMORY_OFFSET 0u /* u8 Memory */
#define OHMLOOM_MEM_WRITE_REQUEST_OFFSET_OFFSET 1u /* u32 byte offset */
#define OHMLOOM_MEM_WRITE_REQUEST_DATA_OFFSET 5u /* u8[] */

/* MEM_READ payloads */
#define OHMLOOM_MEM_READ_REQUEST_MEMORY_OFFSET 0u /* u8 Memory */
#define OHMLOOM_MEM_READ_REQUEST_OFFSET_OFFSET 1u /* u32 byte offset */
#define OHMLOOM_MEM_READ_REQUEST_LENGTH_OFFSET 5u /* u16 bytes */
#define OHMLOOM_MEM_READ_REQUEST_BYTES 7u
#define OHMLOOM_MEM_READ_ANSWER_DATA_OFFSET 0u /* u8[] */

/* RATE payloads */
#define OHMLOOM_RATE_REQUEST_BAUD_OFFSET 0u /* u32 wanted rate */
#define OHMLOOM_RATE_REQUEST_BYTES 4u
#define OHMLOOM_RATE_ANSWER_BAUD_OFFSET 0u /* u32 rate taken from the next frame on */
#define OHMLOOM_RATE_ANSWER_BYTES 4u

/* MVM payloads */
#define OHMLOOM_MVM_REQUEST_TILE_OFFSET 0u /* u8 tile index */
#define OHMLOOM_MVM_REQUEST_RANGE_OFFSET 1u /* u8 TIA range index */
#define OHMLOOM_MVM_REQUEST_COUNT_OFFSET 2u /* u16 vectors */
#define OHMLOOM_MVM_REQUEST_CODES_OFFSET 4u /* i12[] count x rows row codes */
#define OHMLOOM_MVM_ANSWER_SATURATED_OFFSET 0u /* u16 column samples at a converter's end */
#define OHMLOOM_MVM_ANSWER_CODES_OFFSET 2u /* i12[] count x columns */

/* ROUTE payloads */
#define OHMLOOM_ROUTE_REQUEST_STAGES_OFFSET 0u /* {u8 tile, u8 range, u8 attenuator, u8 relu, u8 bias}[] in order: TIA range, attenuator and rectifier behind the tile; bias: the last row is driven by its DAC, as on the first tile */
#define OHMLOOM_ROUTE_REQUEST_STAGES_TILE_OFFSET 0u /* u8 */
#define OHMLOOM_ROUTE_REQUEST_STAGES_RANGE_OFFSET 1u /* u8 */
#define OHMLOOM_ROUTE_REQUEST_STAGES_ATTENUATOR_OFFSET 2u /* u8 */
#define OHMLOOM_ROUTE_REQUEST_STAGES_RELU_OFFSET 3u /* u8 */
#define OHMLOOM_ROUTE_REQUEST_STAGES_BIAS_OFFSET 4u /* u8 */
#define OHMLOOM_ROUTE_REQUEST_STAGES_BYTES 5u

/* INFER payloads */
#define OHMLOOM_INFER_REQUEST_COUNT_OFFSET 0u /* u16 vectors */
#define OHMLOOM_INFER_REQUEST_CODES_OFFSET 2u /* i12[] count x inputs */
#define OHMLOOM_INFER_ANSWER_SATURATED_OFFSET 0u /* u16 column samples at a converter's end */
#define OHMLOOM_INFER_ANSWER_OUTPUTS_OFFSET 2u /* i16[] count x outputs */

/* PROGRAM payloads */
#define OHMLOOM_PROGRAM_REQUEST_TILE_OFFSET 0u /* u8 tile index */
#define OHMLOOM_PROGRAM_REQUEST_ROW_OFFSET 1u /* u16 row index */
#define OHMLOOM_PROGRAM_REQUEST_CELLS_OFFSET 3u /* i12[] per column: target verify code, tolerance in codes */
#define OHMLOOM_PROGRAM_ANSWER_CELLS_OFFSET 0u /* {u8 status, u16 pulses, i16 code}[] per column: CellStatus, pulses applied, code at the verify that ended it */
#define OHMLOOM_PROGRAM_ANSWER_CELLS_STATUS_OFFSET 0u /* u8 */
#define OHMLOOM_PROGRAM_ANSWER_CELLS_PULSES_OFFSET 1u /* u16 */
#define OHMLOOM_PROGRAM_ANSWER_CELLS_CODE_OFFSET 3u /* i16 */
#define OHMLOOM_PROGRAM_ANSWER_CELLS_BYTES 5u

/* READ payloads */
#define OHMLOOM_READ_REQUEST_TILE_OFFSET 0u /* u8 tile index */
#define OHMLOOM_READ_REQUEST_ROW_OFFSET 1u /* u16 row index */
#define OHMLOOM_READ_REQUEST_ROWS_OFFSET 3u /* u16 rows to read */
#define OHMLOOM_READ_REQUEST_SAMPLES_OFFSET 5u /* u8 samples averaged a cell, 1..64 */
#define OHMLOOM_READ_REQUEST_BYTES 6u
#define OHMLOOM_READ_ANSWER_CODES_OFFSET 0u /* i12[] rows x columns */

/* PULSE payloads */
#define OHMLOOM_PULSE_REQUEST_TILE_OFFSET 0u /* u8 tile index */
#define OHMLOOM_PULSE_REQUEST_ROW_OFFSET 1u /* u16 row index */
#define OHMLOOM_PULSE_REQUEST_COLUMN_OFFSET 3u /* u16 column index */
#define OHMLOOM_PULSE_REQUEST_POLARITY_OFFSET 5u /* u8 Polarity */
#define OHMLOOM_PULSE_REQUEST_RAIL_OFFSET 6u /* u16 rail DAC code */
#define OHMLOOM_PULSE_REQUEST_GATE_OFFSET 8u /* u16 word-line DAC code */
#define OHMLOOM_PULSE_REQUEST_WIDTH_NS_OFFSET 10u /* u32 pulse width */
#define OHMLOOM_PULSE_REQUEST_BYTES 14u
#define OHMLOOM_PULSE_ANSWER_CODE_OFFSET 0u /* i16 verify code after the pulse; PULSE_TRIPPED when it tripped */
#define OHMLOOM_PULSE_ANSWER_BYTES 2u

/* FORM payloads */
#define OHMLOOM_FORM_REQUEST_TILE_OFFSET 0u /* u8 tile index */
#define OHMLOOM_FORM_REQUEST_ROW_OFFSET 1u /* u16 row index */
#define OHMLOOM_FORM_REQUEST_MASK_OFFSET 3u /* u8[] one byte a column: 1 = form if not formed */
#define OHMLOOM_FORM_ANSWER_CELLS_OFFSET 0u /* {u8 status, u16 pulses, i16 code}[] per column: CellStatus, pulses applied, code at the verify that ended it */
#define OHMLOOM_FORM_ANSWER_CELLS_STATUS_OFFSET 0u /* u8 */
#define OHMLOOM_FORM_ANSWER_CELLS_PULSES_OFFSET 1u /* u16 */
#define OHMLOOM_FORM_ANSWER_CELLS_CODE_OFFSET 3u /* i16 */
#define OHMLOOM_FORM_ANSWER_CELLS_BYTES 5u

/* IV payloads */
#define OHMLOOM_IV_REQUEST_TILE_OFFSET 0u /* u8 tile index */
#define OHMLOOM_IV_REQUEST_ROW_OFFSET 1u /* u16 row index */
#define OHMLOOM_IV_REQUEST_COLUMN_OFFSET 3u /* u16 column index */
#define OHMLOOM_IV_REQUEST_RANGE_OFFSET 5u /* u8 TIA range index */
#define OHMLOOM_IV_REQUEST_CODES_OFFSET 6u /* i12[] row codes */
#define OHMLOOM_IV_ANSWER_SATURATED_OFFSET 0u /* u16 samples at a converter's end */
#define OHMLOOM_IV_ANSWER_CODES_OFFSET 2u /* i16[] corrected, in 1/16 ADC codes */

/* CALIBRATE payloads */
#define OHMLOOM_CALIBRATE_REQUEST_TILE_OFFSET 0u /* u8 tile index */
#define OHMLOOM_CALIBRATE_REQUEST_BYTES 1u
#define OHMLOOM_CALIBRATE_ANSWER_OFFSET_MAX_OFFSET 0u /* i16 largest offset found, 1/16 codes */
#define OHMLOOM_CALIBRATE_ANSWER_GAIN_ERROR_MAX_OFFSET 2u /* u16 largest gain error found, 1/32768 */
#define OHMLOOM_CALIBRATE_ANSWER_RESIDUAL_MAX_OFFSET 4u /* u16 largest error left on the reference row, 1/16 codes */
#define OHMLOOM_CALIBRATE_ANSWER_FAILED_OFFSET 6u /* u16 columns out of bounds */
#define OHMLOOM_CALIBRATE_ANSWER_BYTES 8u

/* SELFTEST payloads */
#define OHMLOOM_SELFTEST_ANSWER_FINDINGS_OFFSET 0u /* {u8 kind, u8 tile, u16 index, i32 value}[] Finding records */
#define OHMLOOM_SELFTEST_ANSWER_FINDINGS_KIND_OFFSET 0u /* u8 */
#define OHMLOOM_SELFTEST_ANSWER_FINDINGS_TILE_OFFSET 1u /* u8 */
#define OHMLOOM_SELFTEST_ANSWER_FINDINGS_INDEX_OFFSET 2u /* u16 */
#define OHMLOOM_SELFTEST_ANSWER_FINDINGS_VALUE_OFFSET 4u /* i32 */
#define OHMLOOM_SELFTEST_ANSWER_FINDINGS_BYTES 8u

/* RUN_BEGIN payloads */
#define OHMLOOM_RUN_BEGIN_REQUEST_RUN_OFFSET 0u /* u32 the host's number of this run; 0: none */
#define OHMLOOM_RUN_BEGIN_REQUEST_KIND_OFFSET 4u /* u8 RunKind */
#define OHMLOOM_RUN_BEGIN_REQUEST_KEY_OFFSET 5u /* u32 FORM: the arm key, with which each row is armed; PROGRAM: 0 */
#define OHMLOOM_RUN_BEGIN_REQUEST_RETRIES_OFFSET 9u /* u8 times that cells which did not converge are tried again, 0..MAX_RETRIES */
#define OHMLOOM_RUN_BEGIN_REQUEST_BYTES 10u

/* RUN_LOAD payloads */
#define OHMLOOM_RUN_LOAD_REQUEST_TILE_OFFSET 0u /* u8 tile index */
#define OHMLOOM_RUN_LOAD_REQUEST_ROW_OFFSET 1u /* u16 row index */
#define OHMLOOM_RUN_LOAD_REQUEST_CELLS_OFFSET 3u /* i12[] as for PROGRAM; FORM: cells with a tolerance are formed */

/* RUN_NEXT payloads */
#define OHMLOOM_RUN_NEXT_ANSWER_TILE_OFFSET 0u /* u8 of the row */
#define OHMLOOM_RUN_NEXT_ANSWER_ROW_OFFSET 1u /* u16 NO_ROW: all are done */
#define OHMLOOM_RUN_NEXT_ANSWER_ATTEMPTS_OFFSET 3u /* u8 times it was tried */
#define OHMLOOM_RUN_NEXT_ANSWER_LEFT_OFFSET 4u /* u16 rows that are not done */
#define OHMLOOM_RUN_NEXT_ANSWER_CELLS_OFFSET 6u /* {u8 status, u16 pulses, i16 code}[] per column: as for PROGRAM, pulses of all attempts; none with NO_ROW */
#define OHMLOOM_RUN_NEXT_ANSWER_CELLS_STATUS_OFFSET 0u /* u8 */
#define OHMLOOM_RUN_NEXT_ANSWER_CELLS_PULSES_OFFSET 1u /* u16 */
#define OHMLOOM_RUN_NEXT_ANSWER_CELLS_CODE_OFFSET 3u /* i16 */
#define OHMLOOM_RUN_NEXT_ANSWER_CELLS_BYTES 5u

/* RUN_STATUS payloads */
#define OHMLOOM_RUN_STATUS_ANSWER_RUN_OFFSET 0u /* u32 number given at its begin; 0: none */
#define OHMLOOM_RUN_STATUS_ANSWER_KIND_OFFSET 4u /* u8 RunKind */
#define OHMLOOM_RUN_STATUS_ANSWER_LOADED_OFFSET 5u /* u16 rows with targets */
#define OHMLOOM_RUN_STATUS_ANSWER_DONE_OFFSET 7u /* u16 rows that are done */
#define OHMLOOM_RUN_STATUS_ANSWER_BEGUN_OFFSET 9u /* u16 rows under way when power failed or the latch was set */
#define OHMLOOM_RUN_STATUS_ANSWER_BAD_OFFSET 11u /* u32 cells of done rows that did not converge */
#define OHMLOOM_RUN_STATUS_ANSWER_BYTES 15u

/* RUN_ROW payloads */
#define OHMLOOM_RUN_ROW_REQUEST_TILE_OFFSET 0u /* u8 tile index */
#define OHMLOOM_RUN_ROW_REQUEST_ROW_OFFSET 1u /* u16 row index */
#define OHMLOOM_RUN_ROW_REQUEST_BYTES 3u
#define OHMLOOM_RUN_ROW_ANSWER_STATE_OFFSET 0u /* u8 RowState */
#define OHMLOOM_RUN_ROW_ANSWER_BAD_OFFSET 1u /* u8[] per column: 1 = did not converge; of a row that is not done: 0 */

/* REFRESH payloads */
#define OHMLOOM_REFRESH_REQUEST_TILE_OFFSET 0u /* u8 tile index */
#define OHMLOOM_REFRESH_REQUEST_ROW_OFFSET 1u /* u16 row index */
#define OHMLOOM_REFRESH_REQUEST_SAMPLES_OFFSET 3u /* u8 samples averaged a cell, 1..64 */
#define OHMLOOM_REFRESH_REQUEST_BYTES 4u
#define OHMLOOM_REFRESH_ANSWER_DRIFTED_OFFSET 0u /* u16 cells out of tolerance */
#define OHMLOOM_REFRESH_ANSWER_CELLS_OFFSET 2u /* {u8 status, u16 pulses, i16 code}[] per column: CellStatus, pulses applied, code at the verify that ended it */
#define OHMLOOM_REFRESH_ANSWER_CELLS_STATUS_OFFSET 0u /* u8 */
#define OHMLOOM_REFRESH_ANSWER_CELLS_PULSES_OFFSET 1u /* u16 */
#define OHMLOOM_REFRESH_ANSWER_CELLS_CODE_OFFSET 3u /* i16 */
#define OHMLOOM_REFRESH_ANSWER_CELLS_BYTES 5u

/* UPDATE payloads */
#define OHMLOOM_UPDATE_REQUEST_OFFSET_OFFSET 0u /* u32 byte offset, a multiple of 4 */
#define OHMLOOM_UPDATE_REQUEST_DATA_OFFSET 4u /* u8[] */

/* BOOT payloads */
#define OHMLOOM_BOOT_REQUEST_TARGET_OFFSET 0u /* u8 BootTarget */
#define OHMLOOM_BOOT_REQUEST_BYTES_OFFSET 1u /* u32 of the image */
#define OHMLOOM_BOOT_REQUEST_CRC_OFFSET 5u /* u32 CRC-32 of the image */
#define OHMLOOM_BOOT_REQUEST_BYTES 9u

/* FIRMWARE payloads */
#define OHMLOOM_FIRMWARE_ANSWER_VERSION_OFFSET 0u /* u32 0xMMmmpp */
#define OHMLOOM_FIRMWARE_ANSWER_BOOTS_OFFSET 4u /* u32 times that BOOT was taken since power-up */
#define OHMLOOM_FIRMWARE_ANSWER_BYTES 8u

/* SERVICE payloads */
#define OHMLOOM_SERVICE_REQUEST_AFTER_OFFSET 0u /* u32 number of the last event known */
#define OHMLOOM_SERVICE_REQUEST_BYTES 4u
#define OHMLOOM_SERVICE_ANSWER_EVENTS_OFFSET 0u /* {u32 number, u8 kind, u32 argument}[] EventKind and its argument */
#define OHMLOOM_SERVICE_ANSWER_EVENTS_NUMBER_OFFSET 0u /* u32 */
#define OHMLOOM_SERVICE_ANSWER_EVENTS_KIND_OFFSET 4u /* u8 */
#define OHMLOOM_SERVICE_ANSWER_EVENTS_ARGUMENT_OFFSET 5u /* u32 */
#define OHMLOOM_SERVICE_ANSWER_EVENTS_BYTES 9u

/* ADVANCE payloads */
#define OHMLOOM_ADVANCE_REQUEST_DURATION_NS_OFFSET 0u /* u64 fabric time to pass; 0 reads the meters */
#define OHMLOOM_ADVANCE_REQUEST_BYTES 8u
#define OHMLOOM_ADVANCE_ANSWER_TIME_NS_OFFSET 0u /* u64 fabric time */
#define OHMLOOM_ADVANCE_ANSWER_METERS_OFFSET 8u /* {u64 energy_fj, u64 time_ns}[] one per Cause */
#define OHMLOOM_ADVANCE_ANSWER_METERS_ENERGY_FJ_OFFSET 0u /* u64 */
#define OHMLOOM_ADVANCE_ANSWER_METERS_TIME_NS_OFFSET 8u /* u64 */
#define OHMLOOM_ADVANCE_ANSWER_METERS_BYTES 16u

/* ERROR payload */
#define OHMLOOM_ERROR_PAYLOAD_COMMAND_OFFSET 0u /* u8 code of the refused command */
#define OHMLOOM_ERROR_PAYLOAD_CODE_OFFSET 1u /* u8 ErrorCode */
#define OHMLOOM_ERROR_PAYLOAD_DETAIL_OFFSET 2u /* i64 the offending value */
#define OHMLOOM_ERROR_PAYLOAD_BYTES 10u

/* NAK payload */
#define OHMLOOM_NAK_PAYLOAD_EXPECTED_OFFSET 0u /* u8 sequence number expected next */
#define OHMLOOM_NAK_PAYLOAD_REASON_OFFSET 1u /* u8 NakReason */
#define OHMLOOM_NAK_PAYLOAD_BYTES 2u

/* Record NETWORK_HEADER */
#define OHMLOOM_NETWORK_HEADER_MAGIC_OFFSET 0u /* u32 */
#define OHMLOOM_NETWORK_HEADER_STEPS_OFFSET 4u /* u16 */
#define OHMLOOM_NETWORK_HEADER_INPUTS_OFFSET 6u /* u16 */
#define OHMLOOM_NETWORK_HEADER_OUTPUTS_OFFSET 8u /* u16 */
#define OHMLOOM_NETWORK_HEADER_RESERVED_OFFSET 10u /* u16 */
#define OHMLOOM_NETWORK_HEADER_CRC_OFFSET 12u /* u32 */
#define OHMLOOM_NETWORK_HEADER_BYTES 16u

/* Record STEP */
#define OHMLOOM_STEP_FLAGS_OFFSET 0u /* u8 */
#define OHMLOOM_STEP_TILE_OFFSET 1u /* u8 */
#define OHMLOOM_STEP_RANGE_OFFSET 2u /* u8 */
#define OHMLOOM_STEP_SHIFT_OFFSET 3u /* u8 */
#define OHMLOOM_STEP_ROW_OFFSET 4u /* u16 */
#define OHMLOOM_STEP_ROWS_OFFSET 6u /* u16 */
#define OHMLOOM_STEP_PAIR_OFFSET 8u /* u16 */
#define OHMLOOM_STEP_PAIRS_OFFSET 10u /* u16 */
#define OHMLOOM_STEP_INPUT_OFFSET 12u /* u16 */
#define OHMLOOM_STEP_INPUTS_OFFSET 14u /* u16 */
#define OHMLOOM_STEP_OUTPUT_OFFSET 16u /* u16 */
#define OHMLOOM_STEP_OUTPUTS_OFFSET 18u /* u16 */
#define OHMLOOM_STEP_BIAS_OFFSET 20u /* u16 */
#define OHMLOOM_STEP_SCALE_OFFSET 22u /* u16 */
#define OHMLOOM_STEP_WIDTH_OFFSET 24u /* u16 */
#define OHMLOOM_STEP_LEVEL_OFFSET 26u /* i16 */
#define OHMLOOM_STEP_BYTES 28u

/* Record CORRECTION */
#define OHMLOOM_CORRECTION_OFFSET_OFFSET 0u /* i16 */
#define OHMLOOM_CORRECTION_GAIN_OFFSET 2u /* u16 */
#define OHMLOOM_CORRECTION_BYTES 4u

/* Record POLICY */
#define OHMLOOM_POLICY_MAX_PULSES_OFFSET 0u /* u16 */
#define OHMLOOM_POLICY_MAX_REVERSALS_OFFSET 2u /* u8 */
#define OHMLOOM_POLICY_MAX_TOP_PULSES_OFFSET 3u /* u8 */
#define OHMLOOM_POLICY_BACKOFF_OFFSET 4u /* u16 */
#define OHMLOOM_POLICY_GRID_OFFSET 6u /* u16 */
#define OHMLOOM_POLICY_ERROR_EDGES_OFFSET 8u /* u16[15] */
#define OHMLOOM_POLICY_CONDUCTANCE_EDGES_OFFSET 38u /* u16[7] */
#define OHMLOOM_POLICY_SET_TOP_OFFSET 52u /* u16 */
#define OHMLOOM_POLICY_SET_GATE_OFFSET 54u /* u16 */
#define OHMLOOM_POLICY_SET_PULSE_NS_OFFSET 56u /* u32 */
#define OHMLOOM_POLICY_SET_FIRST_OFFSET 60u /* i16[16] */
#define OHMLOOM_POLICY_SET_LEVEL_OFFSET 92u /* i16[8] */
#define OHMLOOM_POLICY_SET_STEP_OFFSET 108u /* i16[16] */
#define OHMLOOM_POLICY_RESET_TOP_OFFSET 140u /* u16 */
#define OHMLOOM_POLICY_RESET_GATE_OFFSET 142u /* u16 */
#define OHMLOOM_POLICY_RESET_PULSE_NS_OFFSET 144u /* u32 */
#define OHMLOOM_POLICY_RESET_FIRST_OFFSET 148u /* i16[16] */
#define OHMLOOM_POLICY_RESET_LEVEL_OFFSET 180u /* i16[8] */
#define OHMLOOM_POLICY_RESET_STEP_OFFSET 196u /* i16[16] */
#define OHMLOOM_POLICY_FORM_TOP_OFFSET 228u /* u16 */
#define OHMLOOM_POLICY_FORM_GATE_OFFSET 230u /* u16 */
#define OHMLOOM_POLICY_FORM_PULSE_NS_OFFSET 232u /* u32 */
#define OHMLOOM_POLICY_FORM_FIRST_OFFSET 236u /* i16[16] */
#define OHMLOOM_POLICY_FORM_LEVEL_OFFSET 268u /* i16[8] */
#define OHMLOOM_POLICY_FORM_STEP_OFFSET 284u /* i16[16] */
#define OHMLOOM_POLICY_BYTES 316u

/* Record POLICY_DIRECTION */
#define OHMLOOM_POLICY_DIRECTION_TOP_OFFSET 0u /* u16 */
#define OHMLOOM_POLICY_DIRECTION_GATE_OFFSET 2u /* u16 */
#define OHMLOOM_POLICY_DIRECTION_PULSE_NS_OFFSET 4u /* u32 */
#define OHMLOOM_POLICY_DIRECTION_FIRST_OFFSET 8u /* i16[16] */
#define OHMLOOM_POLICY_DIRECTION_LEVEL_OFFSET 40u /* i16[8] */
#define OHMLOOM_POLICY_DIRECTION_STEP_OFFSET 56u /* i16[16] */
#define OHMLOOM_POLICY_DIRECTION_BYTES 88u

#endif /* OHMLOOM_H */
