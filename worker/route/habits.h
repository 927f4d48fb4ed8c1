/* habits.h - behaviour of providers that only their answers show, as this process has seen it.
 *
 * Streams: some providers report usage only when `stream_options.include_usage` asks for it, some
 * always, and some refuse the option.  The provider's setting `stream_usage` decides (always,
 * never).  With `auto` the first answers decide: after a stream without usage the next call asks
 * for it; after a refusal, or an answer without usage all the same, no call asks any more.
 *
 * Bound: one entry per configured provider; it lives as long as the process.
 */
#ifndef FLOTILLA_HABITS_H
#define FLOTILLA_HABITS_H

#include "common/config/config.h"

struct habits;

struct habits *habits_new(void);
void habits_free(struct habits *h);

/* Must the next streamed call ask for usage? */
bool habits_ask_usage(struct habits *h, const struct config_provider *p);
/* A streamed call was answered; asked: it asked for usage; told: usage came. */
void habits_streamed(struct habits *h, const struct config_provider *p, bool asked, bool told);
/* A call that asked was refused with these words.  True: it was refused for asking, and may be
 * repeated without the option. */
NODISCARD bool habits_refused(struct habits *h, const struct config_provider *p,
                              const char *message);

#endif
