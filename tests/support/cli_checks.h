/* cli_checks.h - what the tests of the command line share. */
#ifndef FLOTILLA_TESTS_CLI_CHECKS_H
#define FLOTILLA_TESTS_CLI_CHECKS_H

#include "tests/support/world.h"

#define NOOP(id) "{\"id\":\"" id "\",\"type\":\"noop\",\"payload\":{}}"

#define CHECK_EXIT(run, code)                                                             \
    do {                                                                                  \
        struct cli run_ = (run);                                                          \
        ck_assert_msg(run_.exit_code == (code), "exit %d: %s", run_.exit_code, run_.err); \
    } while (0)
#define CHECK_HAS(text, part)                                             \
    do {                                                                  \
        const char *text_ = (text), *part_ = (part);                      \
        ck_assert_msg(has(text_, part_), "no '%s' in: %s", part_, text_); \
    } while (0)

bool has(const char *text, const char *part);
int lines_in(const char *text);
/* All belong to the world. */
char *line_of(struct world *w, const char *text,
              int i); /* the i-th line, from 0; "" behind the last */
char *text_of_file(struct world *w, const char *path);
/* Simulator, scheduler and one worker process that is registered. */
#define world_with_all() world_with_all_of(__func__)
struct world *world_with_all_of(const char *test);

#endif
