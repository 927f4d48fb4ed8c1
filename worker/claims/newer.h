/* newer.h - jobs of a newer program: claimed by this worker, not for it to start. */
#ifndef FLOTILLA_NEWER_H
#define FLOTILLA_NEWER_H

#include "worker/claims/claimer.h"

struct newer;

struct newer *newer_new(struct claimer *h);
void newer_free(struct newer *n);
/* Put this id (copied) back to its queue in a while; it occupies a slot until then. */
void newer_hold(struct newer *n, const char *id, int queue);
bool newer_has(const struct newer *n, const char *id);
size_t newer_count(const struct newer *n);
/* The worker has a new id: what the old one claimed is not its to give back. */
void newer_reset(struct newer *n);

#endif
