/* random.h - random numbers (getrandom) and the ids that we make. */
#ifndef FLOTILLA_RANDOM_H
#define FLOTILLA_RANDOM_H

#include "common/core/base.h"

uint64_t random_u64(void); /* fast generator seeded from getrandom; after fork call random_reseed */
void random_reseed(void);
int64_t random_below(int64_t bound);  /* uniform in [0, bound); 0 when bound <= 0 */
void random_bytes(void *p, size_t n); /* from the kernel, for secrets */
/* UUIDv7 (RFC 9562) as 36 characters + NUL; ascending within one process. */
char *random_uuid7(char text[37]);
/* 2*n hex characters + NUL. */
char *random_hex(char *text, size_t n_bytes);

#endif
