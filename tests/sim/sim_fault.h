/* sim_fault.h - what goes wrong, when and how often.
 *
 * A fault is a JSON object; every member is optional:
 *
 *   fixture   start from a row of fixtures.def; the other members override it
 *   path      only requests whose path ends so; without it GET /models and /whoami are spared
 *   model     only requests for this model
 *   match     only requests whose body contains this text
 *   times     how many requests it meets (1; -1 = until reset)
 *   status    answer with this status instead; never billed
 *   headers   {"name": "value"} added to the answer
 *   body      the body: a string as it is, anything else dumped as JSON
 *   answer    the text that the model says (instead of status and body)
 *   delay_ms  wait before answering, on top of the model's latency
 *   close     before | middle | after: drop the connection before the first
 *             byte, in the middle of the answer, or right after it
 *   after_chunks  of a stream: after so many chunks send `body` (if any) and
 *             end there; with close "middle" the connection drops there
 *   piece_bytes, piece_ms  send the answer in pieces of so many bytes, or a
 *             stream's chunks, with a pause between them
 *
 * Faults are kept in order and the first that fits is used, so a list is a
 * sequence.  One without status, body, delay and so on passes a request on
 * untouched: a gap in a sequence.
 */
#ifndef FLOTILLA_SIM_FAULT_H
#define FLOTILLA_SIM_FAULT_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"

struct json_t; /* jansson's */

#define SIM_FAULTS_MAX 10000

enum sim_close { SIM_CLOSE_NO, SIM_CLOSE_BEFORE, SIM_CLOSE_MIDDLE, SIM_CLOSE_AFTER };

struct sim_fault {
    struct json_t *doc; /* as it came, for the list; everything below points into it */
    const char *path, *model, *match, *answer;
    char *body;    /* owned */
    char *headers; /* owned: "Name: value\r\n" lines */
    size_t body_bytes;
    int status, times, after_chunks; /* after_chunks -1: not set */
    int64_t delay_ms, piece_ms;
    size_t piece_bytes;
    enum sim_close close;
    struct sim_fault *next;
};

struct sim_faults {
    struct sim_fault *first,
        *used; /* used: kept until the next take, so that its texts stay good */
    size_t count;
};

void sim_faults_reset(struct sim_faults *f);
/* Add one fault (object) or a sequence (array).  On failure nothing was added. */
NODISCARD bool sim_faults_add(struct sim_faults *f, struct json_t *doc, struct err *err);
/* The same from the text of a document. */
NODISCARD bool sim_faults_add_text(struct sim_faults *f, struct span text, struct err *err);
/* The first that fits, one of its times spent; NULL when none does.  Good until the next take or
 * reset. model may be {NULL, 0}. */
const struct sim_fault *sim_faults_take(struct sim_faults *f, struct span path, struct span model,
                                        struct span body);
/* Is a fault named like this in fixtures.def?  For --help: all names, one per line. */
const char *sim_fixtures_help(void);
/* {"faults": [...]} with the times that are left. */
void sim_faults_print(const struct sim_faults *f, struct buf *out);

#endif
