/* The link's request, its answer, and requests of the firmware's own. */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <stdint.h>

#include "chip.h"

/* payload, answer: addresses of the request's payload and of the answer's, both at multiples of 4. */
struct request {
    uint32_t type, length, payload, answer;
};

/* What a command returns in place of its answer's length: `refuse` has said why. */
#define REFUSED UINT32_MAX

/* Whether one is waiting; its answer ends it. */
int mailbox_request(struct request *request);

void mailbox_answer(const struct request *request, uint32_t length);

/* Always REFUSED. detail: the offending value. */
uint32_t refuse(uint32_t code, int64_t detail);

/* Has the command processor execute a request, whose payload is in the pending request's place; `call_under_way` until its
 * answer is in the place of the pending request's answer, behind `place` bytes: an even number, at most 6, and MAILBOX_UPPER
 * on top of it for the upper half of the slot. */
void call_begin(uint32_t type, uint32_t length, uint32_t place);
#define MAILBOX_UPPER (UINT32_C(1) << (CHIP_SLOT_BITS - 1))
int call_under_way(void);

/* Whether the call was answered, and not refused. */
int call_answered(void);

/* Whether it reported a cell as TRIPPED. */
int call_cut(void);

/* One bit a column, CHIP_BAD_WORDS: of the cells that it reported as EXHAUSTED or STUCK. Answers 0 when there are none. */
uint32_t call_failed(uint32_t *columns);

/* Little-endian, at any address. */
uint32_t word_at(uint32_t address);
uint32_t half_at(uint32_t address);
void put_word(uint32_t address, uint32_t word);
void put_half(uint32_t address, uint32_t half);

#endif
