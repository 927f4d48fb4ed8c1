/* stops.h - provider keys that must not be used now (401, 402), fleet-wide.
 *
 * A stop belongs to a key, by fingerprint (first 16 hex digits of SHA-256), in
 * fl:{0}:stops.  Processes hear all stops with each heartbeat.  While a key is
 * stopped its jobs are parked without a call, but for one probe a minute of
 * the whole fleet (stop.lua decides whose).  A good answer clears the stop; so
 * does `flotilla resume`; another key never had it. */
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
/* {fingerprint, "<since> <next probe> <code>", ...} of a heartbeat's answer; now: Redis's time. */
void stops_hear(struct stops *s, const struct reply *pairs, int64_t now_ms);
/* A call with that key was answered 401 or 402. */
void stops_set(struct stops *s, const char *fingerprint, enum err_kind why);
/* A call with that key went well. */
void stops_clear(struct stops *s, const char *fingerprint);
/* Is that key stopped, and no probe due?  Nothing is asked or taken. */
bool stops_holds(struct stops *s, const char *api_key);
/* May a call be made?  0: yes (it may be the probe).  Else: wait so many ms, *ret_why filled. */
int64_t stops_wait_ms(struct stops *s, const char *fingerprint, struct err *ret_why);

#endif
