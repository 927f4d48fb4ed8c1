/* suspects.h - jobs that seemed unnamed, until a second look decides. */
#ifndef FLOTILLA_SUSPECTS_H
#define FLOTILLA_SUSPECTS_H

#include "common/queue/record.h"
#include "scheduler/names.h"

struct suspects;
struct suspects *suspects_new(struct scheduler *s);
void suspects_free(struct suspects *p); /* a call under way is not answered */

/* False: there is no room for another (SUSPECTS_MAX), or the id is too long to be one. */
#define SUSPECTS_MAX 4096
bool suspects_add(struct suspects *p, const char *id, const struct record *rec);
size_t suspects_count(const struct suspects *p);
int64_t suspects_age_ms(const struct suspects *p); /* of the first */
void suspects_clear(struct suspects *p);

/* Put back those that are not among these names either; then there are no suspects any more.  err:
 * Redis failed or the lease is lost. */
typedef void suspects_cb(void *arg, const struct err *err);
void suspects_restore(struct suspects *p, const struct names *borrow_n, suspects_cb *cb, void *arg);

#endif
