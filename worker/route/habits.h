/* habits.h - what providers do that only their answers show, as far as this process has seen.
 *
 * Streams: some providers report usage only when `stream_options.include_usage` asks for it, some
 * always, and some refuse the question.  A provider's setting `stream_usage` decides (always,
 * never); with `auto` its first answers do: a stream without usage makes the next call ask, and a
 * refusal, or an answer without usage all the same, ends the asking.
 *
 * Bound: one entry per configured provider; it lives as long as the process.
 */
#ifndef FLOTILLA_HABITS_H
#define FLOTILLA_HABITS_H

#include "common/config/config.h"

struct habits;

struct habits *habits_new(void);
void habits_free(struct habits *h);

/* Is the next streamed call to ask for usage? */
bool habits_ask_usage(struct habits *h, const struct config_provider *p);
/* A streamed call was answered; asked: it asked for usage, told: usage came. */
void habits_streamed(struct habits *h, const struct config_provider *p, bool asked, bool told);
/* A call that asked was refused with these words.  True: because it asked; it may be made again
 * without. */
NODISCARD bool habits_refused(struct habits *h, const struct config_provider *p,
                              const char *message);

#endif
