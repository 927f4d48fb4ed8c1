/* fuzz_json.c - our JSON reader against jansson's, on any bytes.
 *
 * What we accept and what jansson accepts must be the same, but for numbers
 * that are out of range (we only check their form), for \u0000 in names, and
 * for documents deeper than JSON_MAX_DEPTH.  Besides, jansson loses a NUL byte
 * behind a number or a word ("0\0" is 0 to it), so what it makes of texts with
 * NULs does not count.  Strings must come out the same, and what we write from
 * them must be read back.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz_json: %s\n", what);
    abort();
}

static int greater(int a, int b) { return a > b ? a : b; }

static int depth_of(json_t *doc)
{
    int deepest = 0;
    const char *name;
    json_t *child;
    size_t i;

    if (json_is_object(doc))
        json_object_foreach (doc, name, child)
            deepest = greater(deepest, depth_of(child));
    json_array_foreach (doc, i, child)
        deepest = greater(deepest, depth_of(child));
    return deepest + (json_is_object(doc) || json_is_array(doc));
}

static void check_string(struct span raw, json_t *doc)
{
    struct buf text = BUF(1 << 20), again = BUF(1 << 20), back = BUF(1 << 20);

    must(json_read_string(raw, &text), "a string cannot be read");
    if (doc) {
        must(text.n == json_string_length(doc), "a string has another length than jansson's");
        must(memcmp(text.p, json_string_value(doc), text.n) == 0, "a string is not jansson's");
    }
    json_add_string(&again, text.p, text.n);
    must(json_read_string(buf_span(&again), &back), "a written string cannot be read");
    must(back.n == text.n && memcmp(back.p, text.p, text.n) == 0, "a string changed");
    buf_done(&text);
    buf_done(&again);
    buf_done(&back);
}

/* How deep the brackets of a well-formed value nest. */
static int nesting(struct span v)
{
    int depth = 0, deepest = 0;
    bool in_string = false;

    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i];

        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{') && ++depth > deepest)
            deepest = depth;
        else if (!in_string && (c == ']' || c == '}'))
            depth--;
    }
    return deepest;
}

/* Walks read documents of ours, which may nest deeper (JSON_OWN_DEPTH) than json_valid lets in. */
static bool valid_but_for_depth(struct span v)
{
    return json_valid(v.p, v.n) || nesting(v) > JSON_MAX_DEPTH;
}

/* Every value of a walk is valid, and walks of the containers in it too. */
static bool walk(struct span doc)
{
    struct json_iter it;

    if (!json_iter_init(&it, doc.p, doc.n))
        return false;
    while (json_next(&it)) {
        must(valid_but_for_depth(it.value), "a walk gave a malformed value");
        if (it.value.p[0] == '"')
            check_string(it.value, NULL);
        if (it.value.p[0] == '{' || it.value.p[0] == '[')
            must(walk(it.value), "a container in a valid one cannot be walked");
    }
    return !it.bad;
}

static void check_reads(struct span v)
{
    struct span found;
    const struct json_want wants[] = {{"a", &found}};
    int64_t number;
    double real;
    char text[16];

    (void)!json_pick(v.p, v.n, wants, 1);
    (void)json_at(v, "a.0.b");
    (void)!json_read_int(v, &number);
    (void)!json_read_double(v, &real);
    (void)!json_read_text(v, text, sizeof text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span doc = {(const char *)data, size};
    json_error_t why;
    json_t *theirs =
        json_loadb(doc.p, doc.n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
    bool ours = json_valid(doc.p, doc.n);
    bool walked = walk(doc);

    must(!walked || valid_but_for_depth(doc), "a walk took what is not valid");
    if (theirs && !memchr(doc.p, 0, doc.n) && depth_of(theirs) <= JSON_MAX_DEPTH) {
        must(ours, "jansson takes what we refuse");
        must(walked == (json_is_object(theirs) || json_is_array(theirs)), "a walk failed");
    }
    if (!theirs && ours) {
        enum json_error_code code = json_error_code(&why);

        must(code == json_error_numeric_overflow || code == json_error_null_byte_in_key,
             "we take what jansson refuses");
    }
    if (json_is_string(theirs)) {
        while (doc.n > 0 && doc.p[0] != '"')
            doc = (struct span){doc.p + 1, doc.n - 1};
        while (doc.n > 0 && doc.p[doc.n - 1] != '"')
            doc.n--;
        check_string(doc, theirs);
    }
    check_reads(doc);
    json_decref(theirs);
    return 0;
}
