/* alert.c - see alert.h and schemas/alert.json.
 *
 * Nobody waits for an alert: one that Redis does not take is lost, and comes again when its case
 * does.  Which ones were told lately is in Redis (alert.lua), so that a fleet tells once. */
#include "common/queue/alert.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/secret.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"

void alert_write(struct buf *out, const char *code, const char *subject, const char *message)
{
    char *text = xstrdup(message);

    secret_hide_text(text);
    buf_putc(out, '{');
    json_add_str(out, "code", code);
    json_add_str(out, "subject", subject);
    json_add_str(out, "message", text);
    free(text);
    json_add_int(out, "at", clock_wall_ms());
    buf_putc(out, '}');
}

void alert_send(struct redis *r, const struct keys *k, const char *code, const char *subject,
                const char *message)
{
    struct buf doc = BUF(16384);
    struct redis_args a;

    alert_write(&doc, code, subject, message);
    redis_args_make(&a, key(k, KEY_ALERTS), key(k, KEY_ALERTED), code, subject, buf_span(&doc),
                    ALERT_AGAIN_MS);
    redis_script(r, script(SCRIPT_ALERT), 2, &a, NULL, NULL);
    buf_done(&doc);
}

enum alert_level alert_level(const char *code)
{
    static const struct {
        const char *code;
        enum alert_level level;
    } codes[] = {
#define X(name, level, text) {name, ALERT_##level},
#include "common/queue/alert_codes.def"
    };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (!strcmp(codes[i].code, code))
            return codes[i].level;
    return strncmp(code, "budget_", 7) == 0 ? ALERT_INFO : ALERT_WARNING; /* of any percent */
}
