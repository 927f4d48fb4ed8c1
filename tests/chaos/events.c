/* events.c - the table of events. */
#include "tests/chaos/events.h"

const struct event events[] = {
#define X(symbol, weight, help) {#symbol, weight, event_##symbol},
#include "tests/chaos/events.def"
};
const size_t event_count = ARRAY_LEN(events);
