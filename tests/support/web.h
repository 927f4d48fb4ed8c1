/* web.h - one HTTP request at a time, for tests: the simulator and our own API. */
#ifndef FLOTILLA_TESTS_WEB_H
#define FLOTILLA_TESTS_WEB_H

#include "common/core/base.h"

struct web_answer {
    int status; /* 0: no answer; body then says why */
    char *body; /* NUL-terminated */
    size_t n;
};

/* body NULL: none (text, sent as JSON).  header NULL, or one "Name: value".
 * Never fails the test by itself. */
struct web_answer web_request(const char *method, const char *url, const char *body,
                              const char *header);
void web_answer_done(struct web_answer *a);

#endif
