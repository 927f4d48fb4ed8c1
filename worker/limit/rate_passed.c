/* rate_passed.c - what passed lately, and which limit a refusal met; see rate.h.
 *
 * One ring of samples for each lane and process, of sums that the whole fleet
 * shares; nothing of it is kept in Redis. */
#include "worker/limit/rate_private.h"

#define A_LOT  1e7
#define BURST  0.5 /* s of the limit that a provider lets pass at once, if it does ... */
#define FULL   0.8 /* ... and to one who comes for the first time */
#define STRICT 0.7 /* s of a window, at least, of one that does not */

void rate_note(struct rate_history *h, int64_t at_us, double passed)
{
    size_t last = (h->next + RATE_SAMPLES - 1) % RATE_SAMPLES;

    if (h->count > 0 && at_us - h->ring[last].at_us < RATE_SAMPLE_US)
        return;
    h->ring[h->next].at_us = at_us;
    h->ring[h->next].passed = passed;
    h->next = (h->next + 1) % RATE_SAMPLES;
    if (h->count < RATE_SAMPLES)
        h->count++;
}

double rate_passed_since(const struct rate_history *h, int64_t at_us)
{
    size_t last = (h->next + RATE_SAMPLES - 1) % RATE_SAMPLES;

    for (size_t i = 1; i < h->count; i++) {
        size_t k = (last + RATE_SAMPLES - i) % RATE_SAMPLES;

        if (h->ring[k].at_us <= at_us || i + 1 == h->count)
            return (h->ring[last].passed - h->ring[k].passed) * 1e6 /
                   (double)(h->ring[last].at_us - h->ring[k].at_us);
    }
    return A_LOT;
}

struct rate_met rate_met(const struct rate_history *h, const struct rate *r, int64_t now_us,
                         double passed)
{
    double now = rate_expected(r);
    double growth = r->phase == RATE_KNOWN && r->line.unsure <= 0 ? r->line.gain : 0;
    double burst = r->phase == RATE_KNOWN ? BURST : FULL;
    struct rate_met met = {0, 0};

    for (size_t i = 0; i < h->count; i++) {
        double s = (double)(now_us - h->ring[i].at_us) / 1e6;
        double n = passed - h->ring[i].passed;
        double mean = rate_greater(now - growth * s / 2, now / 2);

        if (h->ring[i].at_us < r->cut_us || s < 0)
            continue;
        met.low = rate_greater(met.low, n * now / (mean * s + now * burst));
        if (s >= STRICT)
            met.high = rate_greater(met.high, n * now / (mean * s));
    }
    met.high = rate_greater(met.low, met.high);
    return met;
}
