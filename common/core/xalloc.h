/* xalloc.h - memory for small things of our own: log and abort when there is
 * none (the pool restarts the process, its jobs run elsewhere).  Sizes that
 * come from outside go through struct buf, which has a cap. */
#ifndef FLOTILLA_XALLOC_H
#define FLOTILLA_XALLOC_H

#include "common/core/base.h"

void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);            /* NULL stays NULL */
char *xstrndup(const char *p, size_t n); /* NUL-terminated copy of n bytes */
void xfree_p(void *pp);                  /* for CLEANUP: frees *(void **)pp */

#endif
