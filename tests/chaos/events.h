/* events.h - the events of events.def, and what they share. */
#ifndef FLOTILLA_CHAOS_EVENTS_H
#define FLOTILLA_CHAOS_EVENTS_H

#include "tests/chaos/chaos.h"

#define X(symbol, weight, help) event_fn event_##symbol;
#include "tests/chaos/events.def"

#endif
