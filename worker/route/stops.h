/* stops.h - provider keys that must not be used now (401, 402), fleet-wide.
 *
 * A stop belongs to a key, by fingerprint (the first 16 hex digits of its SHA-256), in
 * fl:{0}:stops.  Processes receive all stops with each heartbeat.  Jobs of a stopped key are parked
 * without a call, except one probe per retry.probe_ms in the whole fleet (stop.lua grants it).  A
 * good answer ends the stop, and so does `flotilla resume`.  Other keys go on. */
#ifndef FLOTILLA_STOPS_H
#define FLOTILLA_STOPS_H

#include "common/core/base.h"
#include "common/core/err.h"
#include "common/io/redis.h"
#include "worker/env.h"

struct stops;

#define STOPS_FINGERPRINT 17
void stops_fingerprint(const char *api_key, char text[STOPS_FINGERPRINT]);

struct stops *stops_new(const struct env *env);
void stops_free(struct stops *s);
/* {fingerprint, "<since> <next probe> <code>", ...} of a heartbeat's reply; now: Redis's time. */
void stops_hear(struct stops *s, const struct reply *pairs, int64_t now_ms);
/* A call with that key was answered 401 or 402. */
void stops_set(struct stops *s, const char *fingerprint, enum err_kind why);
/* A call with that key succeeded. */
void stops_clear(struct stops *s, const char *fingerprint);
/* Is that key stopped, and no probe due?  Takes no probe. */
bool stops_holds(struct stops *s, const char *api_key);
/* 0: a call may be made (it may be the probe).  Else: ms to wait, and *ret_why is filled. */
int64_t stops_wait_ms(struct stops *s, const char *fingerprint, struct err *ret_why);

#endif
