/* log.c - one line per event.
 *
 *     caller            log_event(LOG_WARN, "job.retry", "job=%s msg=%s", id, log_quote(text))
 *     formatted         job=j_81 msg="no \"answer\""
 *     pairs             (job, j_81) (msg, "no \"answer\"")
 *     logfmt            ts=... level=warn program=... pid=7 event=job.retry worker=2 job=j_81
 * msg="no ..." JSON              {"ts":"...","level":"warn", ... ,"job":"j_81","msg":"no
 * \"answer\""}
 *
 * The formatted text is always taken apart into pairs and put together again,
 * so whatever a value contains, the line stays one line of the chosen format.
 * Quoted values use JSON's escapes in both formats, also for what would act on a
 * terminal without being seen (visible.h).  In JSON an unquoted number,
 * true or false keeps its type, and a word without '=' becomes true.
 *
 * A line is at most PIPE_BUF bytes, because only then a write(2) to a pipe that
 * several processes share is one piece.  Values that do not fit end in "...",
 * pairs that do not fit are left out and the line says cut=true.
 *
 * Nothing here allocates: xalloc reports through this file.
 */
#include "common/core/log.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/parse.h"
#include "common/core/secret.h"
#include "common/core/utf8.h"
#include "common/core/visible.h"

enum {
    LINE_BYTES = PIPE_BUF,
    TEXT_BYTES = 3072, /* what one log_event may format */
    TAIL_BYTES = 32,   /* kept for cut=true, the brace and the newline */
    PAIR_BYTES = 24,   /* least room for a pair besides its key */
    CONTEXT_MAX = 4,
    QUOTES = 8,
    QUOTE_BYTES = 1024,
};

static const struct {
    const char *name;
    const char *priority; /* sd-daemon(3) */
} levels[] = {
    [LOG_ERROR] = {"error", "<3>"},
    [LOG_WARN] = {"warn", "<4>"},
    [LOG_INFO] = {"info", "<6>"},
    [LOG_DEBUG] = {"debug", "<7>"},
};

static struct {
    char program[32];
    enum log_level level;
    enum log_format format;
    bool journal;
    struct {
        char key[32], value[128];
    } context[CONTEXT_MAX];
} self = {.program = "flotilla", .level = LOG_INFO};

/* Bytes being put together in fixed memory. */
struct out {
    char *p;
    size_t n, max;
    bool cut;
};

/* ---- setting up ---- */

/* systemd sets JOURNAL_STREAM to device:inode of the stream it made for us. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char ours[64];
    struct stat st;

    if (!stream || fstat(STDERR_FILENO, &st) != 0)
        return false;
    snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(stream, ours) == 0;
}

void log_setup(const char *program, enum log_level level, enum log_format format)
{
    snprintf(self.program, sizeof self.program, "%s", program);
    self.level = level;
    self.format = format;
    self.journal = stderr_is_journal();
}

void log_context(const char *key, const char *value)
{
    int free_row = -1;
    int row = -1;

    for (int i = 0; i < CONTEXT_MAX; i++) {
        if (strcmp(self.context[i].key, key) == 0)
            row = i;
        if (!self.context[i].key[0] && free_row < 0)
            free_row = i;
    }
    if (row < 0)
        row = free_row;
    if (!value) {
        if (row >= 0 && row != free_row)
            self.context[row].key[0] = 0;
        return;
    }
    assert(row >= 0 && strlen(key) < sizeof self.context[row].key);
    snprintf(self.context[row].key, sizeof self.context[row].key, "%s", key);
    snprintf(self.context[row].value, sizeof self.context[row].value, "%s", value);
}

bool log_is_on(enum log_level level) { return level <= self.level; }

enum log_level log_level_of(const char *name, bool *ret_ok)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (strcmp(levels[i].name, name) == 0) {
            *ret_ok = true;
            return (enum log_level)i;
        }
    }
    *ret_ok = false;
    return LOG_INFO;
}

/* ---- putting text together ---- */

static void put(struct out *o, const char *p, size_t n)
{
    assert(n <= o->max - o->n);
    memcpy(o->p + o->n, p, n);
    o->n += n;
}

static void puts_out(struct out *o, const char *s) { put(o, s, strlen(s)); }

/* True when p begins an escape that may be copied as it is. */
static bool is_escape(const char *p, const char *end)
{
    if (end - p < 2 || !strchr("\"\\/bfnrtu", p[1]) || !p[1])
        return false;
    return p[1] != 'u' || (end - p >= 6 && strspn(p + 2, "0123456789abcdefABCDEF") >= 4);
}

/* Write the character at p; returns what was read of it.  Writes less than VISIBLE_MAX bytes. */
static size_t put_char(struct out *o, const char *p, const char *end, bool is_escaped)
{
    char text[VISIBLE_MAX];
    size_t n;

    if (is_escaped && *p == '\\' && is_escape(p, end)) {
        put(o, p, 2);
        return 2;
    }
    if (*p == '"' || *p == '\\') {
        put(o, (char[]){'\\', *p}, 2);
        return 1;
    }
    n = visible_char(p, end, text);
    puts_out(o, text);
    return n;
}

/* A quoted copy, which ends in "..." when there is too little room. */
static void put_quoted(struct out *o, struct span s, bool is_escaped)
{
    const char *p = s.p;
    const char *end = s.p + s.n;

    puts_out(o, "\"");
    while (p < end && o->max - o->n >= VISIBLE_MAX + sizeof "...\"")
        p += put_char(o, p, end, is_escaped);
    puts_out(o, p < end ? "...\"" : "\"");
}

const char *log_quote_n(const char *p, size_t n)
{
    static _Thread_local char quotes[QUOTES][QUOTE_BYTES];
    static _Thread_local unsigned turn;
    struct out o = {.p = quotes[turn++ % QUOTES], .max = QUOTE_BYTES - 1};
    char copy[QUOTE_BYTES + 1]; /* with more than has room, so that what is cut looks so */

    n = n < sizeof copy ? n : sizeof copy;
    if (n)
        memcpy(copy, p, n);
    n = secret_hide(copy, n);
    put_quoted(&o, (struct span){copy, n}, false);
    o.p[o.n] = 0;
    return o.p;
}

const char *log_quote(const char *text) { return log_quote_n(text, text ? strlen(text) : 0); }

/* ---- pairs ---- */

struct pair {
    struct span key, value;
    bool is_quoted; /* value had quotes, which are not part of it; escapes are kept */
    bool is_bare;   /* there was no '=' */
};

/* Take the first pair off *rest; false when there is none. */
static bool next_pair(struct span *rest, struct pair *ret)
{
    const char *p = rest->p;
    const char *end = rest->p + rest->n;
    const char *from;

    *ret = (struct pair){0};
    while (p < end && *p == ' ')
        p++;
    if (p == end)
        return false;
    for (from = p; p < end && *p != ' ' && *p != '='; p++)
        ;
    ret->key = (struct span){from, (size_t)(p - from)};
    ret->is_bare = p == end || *p == ' ';
    if (!ret->is_bare)
        p++;
    ret->is_quoted = !ret->is_bare && p < end && *p == '"';
    if (ret->is_quoted)
        for (from = ++p; p < end && *p != '"'; p++)
            p += *p == '\\' && p + 1 < end;
    else
        for (from = p; p < end && *p != ' '; p++)
            ;
    ret->value = (struct span){from, (size_t)(p - from)};
    p += ret->is_quoted && p < end;
    *rest = (struct span){p, (size_t)(end - p)};
    return true;
}

/* May the value stand without quotes? */
static bool is_plain(struct span v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!utf8_is_plain(v.p[i]) || v.p[i] == ' ' || v.p[i] == '=' || v.p[i] == 0x7f)
            return false;
    return v.n > 0;
}

static bool is_json_scalar(struct span v)
{
    size_t sign = v.n > 0 && v.p[0] == '-';
    double number;

    if ((v.n == 4 && memcmp(v.p, "true", 4) == 0) || (v.n == 5 && memcmp(v.p, "false", 5) == 0))
        return true;
    if (v.n > 15 || !parse_double(v.p, v.n, -1e15, 1e15, &number))
        return false;
    return v.p[sign] != '0' || v.n == sign + 1 || v.p[sign + 1] == '.';
}

/* Names are ours; anything else in them becomes '_'. */
static void put_key(struct out *o, struct span key)
{
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        bool ok = is_plain((struct span){&c, 1});

        put(o, ok ? &c : "_", 1);
    }
}

static void put_pair(struct out *o, const struct pair *pair)
{
    bool json = self.format == LOG_JSON;
    bool verbatim =
        !pair->is_quoted && (json ? is_json_scalar(pair->value) : is_plain(pair->value));
    size_t need = pair->key.n + PAIR_BYTES + (verbatim ? pair->value.n : 0);

    if (o->max - o->n < need) {
        o->cut = true;
        return;
    }
    puts_out(o, json ? ",\"" : " ");
    put_key(o, pair->key);
    puts_out(o, json ? "\":" : pair->is_bare ? "" : "=");
    if (pair->is_bare)
        puts_out(o, json ? "true" : "");
    else if (verbatim)
        put(o, pair->value.p, pair->value.n);
    else
        put_quoted(o, pair->value, pair->is_quoted);
}

static void put_field(struct out *o, const char *key, const char *value)
{
    put_pair(o, &(struct pair){.key = {key, strlen(key)}, .value = {value, strlen(value)}});
}

/* ---- lines ---- */

static void begin_line(struct out *o, enum log_level level, const char *event)
{
    char text[32];

    puts_out(o, self.journal ? levels[level].priority : "");
    if (!self.journal)
        put_field(o, "ts", clock_rfc3339(clock_wall_ms(), text));
    put_field(o, "level", levels[level].name);
    put_field(o, "program", self.program);
    snprintf(text, sizeof text, "%d", (int)getpid());
    put_field(o, "pid", text);
    put_field(o, "event", event);
    for (int i = 0; i < CONTEXT_MAX; i++)
        if (self.context[i].key[0])
            put_field(o, self.context[i].key, self.context[i].value);
}

/* The separator before the first pair is dropped in logfmt and becomes the brace in JSON. */
static void end_line(struct out *o)
{
    size_t start = self.journal ? 3 : 0;

    if (self.format == LOG_JSON) {
        o->p[start] = '{';
    } else {
        o->n--;
        memmove(o->p + start, o->p + start + 1, o->n - start);
    }
    o->max += TAIL_BYTES;
    if (o->cut)
        put_field(o, "cut", "true");
    puts_out(o, self.format == LOG_JSON ? "}\n" : "\n");
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    char line[LINE_BYTES], text[TEXT_BYTES];
    struct out o = {.p = line, .max = sizeof line - TAIL_BYTES};
    struct span rest = {text, 0};
    struct pair pair;
    int saved_errno = errno;
    va_list ap;
    int n;

    if (!log_is_on(level))
        return;
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    o.cut = n >= (int)sizeof text;
    rest.n = n < 0 ? 0 : o.cut ? sizeof text - 1 : (size_t)n;
    begin_line(&o, level, event);
    while (next_pair(&rest, &pair))
        put_pair(&o, &pair);
    end_line(&o);
    while (write(STDERR_FILENO, line, o.n) < 0 && errno == EINTR)
        ;
    errno = saved_errno;
}

void log_err(enum log_level level, const char *event, const struct err *err)
{
    log_event(level, event, "code=%s msg=%s", err_code(err->kind), log_quote(err->msg));
}
