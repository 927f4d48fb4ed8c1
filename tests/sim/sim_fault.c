/* sim_fault.c - what goes wrong, when and how often.
 *
 *   POST /_sim/faults ──▶ add ──▶ first ─▶ ... ─▶ last
 *   a request         ──▶ take: the first that fits; leaves when its times are spent
 *
 * The texts of a fault are used until the answer has been made, so one that
 * has left is freed only at the next take.  A new member is a line in
 * `unpack` and a use in sim_call.c.
 */
#include "tests/sim/sim_fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/core/xalloc.h"

static const struct fixture {
    const char *name, *doc, *text;
} fixtures[] = {
#define X(name, doc, text) {#name, doc, text},
#include "tests/sim/fixtures.def"
};

static void fault_free(struct sim_fault *f)
{
    if (!f)
        return;
    json_decref(f->doc);
    free(f->body);
    free(f->headers);
    free(f);
}

void sim_faults_reset(struct sim_faults *f)
{
    while (f->first) {
        struct sim_fault *next = f->first->next;
        fault_free(f->first);
        f->first = next;
    }
    fault_free(f->used);
    *f = (struct sim_faults){0};
}

/* ---- reading a document ---- */

/* doc with its fixture's members under its own; a new reference. */
static json_t *with_fixture(json_t *doc, struct err *err)
{
    const char *name = json_string_value(json_object_get(doc, "fixture"));
    json_t *merged;

    if (!name)
        return json_incref(doc);
    for (size_t i = 0; i < ARRAY_LEN(fixtures); i++)
        if (!strcmp(fixtures[i].name, name)) {
            merged = json_loads(fixtures[i].doc, 0, NULL);
            if (!merged)
                break;
            json_object_update(merged, doc);
            return merged;
        }
    err_set(err, ERR_INVALID, "fixture: there is no %s; the names are in together-sim --help",
            name);
    return NULL;
}

static bool read_headers(struct sim_fault *f, json_t *headers, struct err *err)
{
    struct buf lines = BUF((size_t)64 * 1024);
    const char *name;
    json_t *v;

    if (headers && !json_is_object(headers))
        return err_set(err, ERR_INVALID, "headers: expected an object");
    json_object_foreach (headers, name, v) {
        if (!json_is_string(v) || strpbrk(json_string_value(v), "\r\n") || strpbrk(name, "\r\n:")) {
            buf_done(&lines);
            return err_set(err, ERR_INVALID, "headers: %s must be a string without line ends",
                           name);
        }
        buf_printf(&lines, "%s: %s\r\n", name, json_string_value(v));
    }
    f->headers = buf_take(&lines);
    return true;
}

static void read_body(struct sim_fault *f, json_t *body)
{
    if (!body)
        return;
    f->body = json_is_string(body) ? xstrndup(json_string_value(body), json_string_length(body))
                                   : json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    f->body_bytes = json_is_string(body) ? json_string_length(body) : strlen(f->body);
}

static bool read_close(struct sim_fault *f, const char *text, struct err *err)
{
    static const char *const names[] = {"", "before", "middle", "after"};

    for (size_t i = 1; text && i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], text))
            f->close = (enum sim_close)i;
    return !text || f->close || err_set(err, ERR_INVALID, "close: before, middle or after");
}

static bool unpack(struct sim_fault *f, struct err *err)
{
    json_t *headers = NULL, *body = NULL;
    const char *close = NULL, *fixture;
    json_int_t delay_ms = 0, piece_ms = 0, piece_bytes = 0;
    json_error_t je;

    f->times = 1;
    f->after_chunks = -1;
    if (json_unpack_ex(
            f->doc, &je, JSON_STRICT, "{s?s,s?s,s?s,s?s,s?s,s?i,s?i,s?i,s?I,s?I,s?I,s?s,s?o,s?o}",
            "fixture", &fixture, "path", &f->path, "model", &f->model, "match", &f->match, "answer",
            &f->answer, "status", &f->status, "times", &f->times, "after_chunks", &f->after_chunks,
            "delay_ms", &delay_ms, "piece_ms", &piece_ms, "piece_bytes", &piece_bytes, "close",
            &close, "headers", &headers, "body", &body))
        return err_set(err, ERR_INVALID, "fault: %s", je.text);
    if ((f->status && (f->status < 200 || f->status > 599)) || delay_ms < 0 || piece_ms < 0 ||
        piece_bytes < 0 || f->times < -1 || f->times == 0)
        return err_set(err, ERR_INVALID,
                       "fault: status 200..599, times >= 1 or -1, the rest not negative");
    f->delay_ms = delay_ms;
    f->piece_ms = piece_ms;
    f->piece_bytes = (size_t)piece_bytes;
    if (body && !f->status && f->after_chunks < 0)
        f->status = 200;
    read_body(f, body);
    return read_close(f, close, err) && read_headers(f, headers, err);
}

static struct sim_fault *fault_from_json(json_t *doc, struct err *err)
{
    struct sim_fault *f;

    if (!json_is_object(doc)) {
        err_set(err, ERR_INVALID, "a fault is an object");
        return NULL;
    }
    f = xcalloc(1, sizeof(*f));
    f->doc = with_fixture(doc, err);
    if (!f->doc || !unpack(f, err)) {
        fault_free(f);
        return NULL;
    }
    return f;
}

bool sim_faults_add(struct sim_faults *f, json_t *doc, struct err *err)
{
    size_t n = json_is_array(doc) ? json_array_size(doc) : 1;
    struct sim_faults fresh = {0};
    struct sim_fault **end = &fresh.first;

    if (f->count + n > SIM_FAULTS_MAX)
        return err_set(err, ERR_INVALID, "more than %d faults", SIM_FAULTS_MAX);
    for (size_t i = 0; i < n; i++) {
        *end = fault_from_json(json_is_array(doc) ? json_array_get(doc, i) : doc, err);
        if (!*end) {
            sim_faults_reset(&fresh);
            return err_wrap(err, "[%zu]", i);
        }
        end = &(*end)->next;
    }
    end = &f->first;
    while (*end)
        end = &(*end)->next;
    *end = fresh.first;
    f->count += n;
    return true;
}

bool sim_faults_add_text(struct sim_faults *f, struct span text, struct err *err)
{
    json_error_t je;
    json_t *doc = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &je);
    bool ok = doc ? sim_faults_add(f, doc, err)
                  : err_set(err, ERR_INVALID, "line %d: %s", je.line, je.text);

    json_decref(doc);
    return ok;
}

/* ---- using them ---- */

/* GET /models and the like, which no job asks for: they must not use up what is meant for calls. */
static bool only_looks(struct span path)
{
    static const char *const ends[] = {"/models", "/whoami"};

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t n = strlen(ends[i]);

        if (path.n >= n && !memcmp(path.p + path.n - n, ends[i], n))
            return true;
    }
    return false;
}

static bool fits(const struct sim_fault *f, struct span path, struct span model, struct span body)
{
    size_t n = f->path ? strlen(f->path) : 0;

    if (n == 0 && only_looks(path))
        return false;
    if (n > path.n || (n && memcmp(path.p + path.n - n, f->path, n) != 0))
        return false;
    if (f->model && (strlen(f->model) != model.n || memcmp(f->model, model.p, model.n) != 0))
        return false;
    return !f->match || (body.n && memmem(body.p, body.n, f->match, strlen(f->match)));
}

const struct sim_fault *sim_faults_take(struct sim_faults *f, struct span path, struct span model,
                                        struct span body)
{
    struct sim_fault **at = &f->first, *hit;

    while (*at && !fits(*at, path, model, body))
        at = &(*at)->next;
    hit = *at;
    if (!hit)
        return NULL;
    if (hit->times > 0 && --hit->times == 0) {
        *at = hit->next;
        f->count--;
        fault_free(f->used);
        f->used = hit;
    }
    return hit;
}

const char *sim_fixtures_help(void)
{
    static char text[8192];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(fixtures) && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "    %-20s %s\n", fixtures[i].name,
                              fixtures[i].text);
    return text;
}

void sim_faults_print(const struct sim_faults *f, struct buf *out)
{
    buf_puts(out, "{\"faults\":[");
    for (const struct sim_fault *i = f->first; i; i = i->next) {
        char *text;
        json_object_set_new(i->doc, "times", json_integer(i->times));
        text = json_dumps(i->doc, JSON_COMPACT);
        buf_puts(out, i == f->first ? "\n" : ",\n");
        buf_puts(out, text);
        free(text);
    }
    buf_puts(out, "]}\n");
}
