/* secret.h - the configured secrets, and texts without them.
 *
 * A provider, a proxy or Redis may repeat a key in what it says, and that would
 * stand in results, alerts and logs.  The configuration adds its secrets here as
 * it reads them; err_set() and log_quote(), through which every text from outside
 * goes, and the few places that keep such texts elsewhere, hide them.
 *
 * One table per program.  Secrets are never forgotten, as an old key may still be
 * spoken of after a reload; of more than SECRETS_MAX the oldest makes room. */
#ifndef FLOTILLA_SECRET_H
#define FLOTILLA_SECRET_H

#include "common/core/base.h"

enum {
    SECRETS_MAX = 128,
    SECRET_MIN = 4,   /* shorter ones would hide common words */
    SECRET_LONG = 16, /* of so long ones ... */
    SECRET_PART = 12, /* ... so much of the beginning or the end is hidden too, for texts are cut */
};

void secret_add(const char *text);
/* What is secret in a URL, as it is written and decoded: its password; and, when it is its path
 * that nobody may know, what is SECRET_LONG in path and query. */
void secret_add_url(const char *url, bool path);
/* Put SECRET_MARK in place of each secret in p[0..n); the new length, never more than n. */
#define SECRET_MARK "***"
size_t secret_hide(char *p, size_t n);
void secret_hide_text(char *text); /* NUL-terminated */

#endif
