/* unwrap.c - see unwrap.h.
 *
 * One pass.  At each place one of these is read, and the pass goes on behind it:
 *
 *     <think>      everything up to the closing tag is skipped
 *     </think>     all that was found before it is forgotten
 *     ```          a fence: its value, or what it holds instead, up to its end
 *     { [          at the beginning of a line: a value of its own
 *     else         one character
 *
 * Values are read by the JSON scanner, so that tags and backticks inside of their strings mean
 * nothing.  A string holds no line break: a scan that began in a fence ends with it at the latest.
 */
#include "worker/together/unwrap.h"

#include <string.h>
#include <strings.h>

#include "common/core/json.h"
#include "common/core/json_scan.h"

enum { FENCE_TICKS = 3 };

struct pass {
    const char *p, *end;
    bool thinking, line_start;
    int fences, values;               /* JSON in fences and outside; what is broken counts */
    struct span fenced, value, whole; /* whole: all of the text behind the thinking */
};

static const struct {
    const char *open, *close;
} tags[] = {
    {"<think>", "</think>"},         {"<thinking>", "</thinking>"}, {"<thought>", "</thought>"},
    {"<reasoning>", "</reasoning>"}, {"[THINK]", "[/THINK]"},
};

static bool begins(const struct pass *s, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(s->end - s->p) >= n && memcmp(s->p, word, n) == 0;
}

/* ---- thinking ---- */

static void pass_forget(struct pass *s)
{
    s->line_start = true;
    s->fences = s->values = 0;
    s->fenced = s->value = (struct span){NULL, 0};
}

/* Is all that is left one value? */
static void read_whole(struct pass *s)
{
    const char *p = json_skip_blanks(s->p, s->end);

    if (!json_valid(p, (size_t)(s->end - p)))
        return;
    s->whole = (struct span){p, (size_t)(s->end - p)};
    s->p = s->end;
}

static bool read_tag(struct pass *s)
{
    if (*s->p != '<' && *s->p != '[')
        return false;
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        bool opens = begins(s, tags[i].open);

        if (!opens && !begins(s, tags[i].close))
            continue;
        s->thinking = opens;
        s->p += strlen(opens ? tags[i].open : tags[i].close);
        pass_forget(s);
        if (!opens)
            read_whole(s);
        return true;
    }
    return false;
}

/* ---- fences ---- */

static size_t count_ticks(const char *p, const char *end)
{
    size_t n = 0;

    while (p + n < end && p[n] == '`')
        n++;
    return n;
}

/* Behind blanks and comments: // or # to the end of the line.  One with a backtick is none, as the
 * fence may end in it. */
static const char *skip_comments(const char *p, const char *end)
{
    for (;;) {
        const char *at = p = json_skip_blanks(p, end);

        if (p == end || (*p != '#' && (end - p < 2 || p[0] != '/' || p[1] != '/')))
            return p;
        while (at < end && *at != '\n' && *at != '`')
            at++;
        if (at < end && *at == '`')
            return p;
        p = at;
    }
}

/* Is there nothing but blanks up to the end of the line? */
static bool line_ends(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
        p++;
    return p == end || *p == '\n';
}

/* What is behind a fence that holds no value: its closing ticks end the line that it opens on, or
 * stand on a line of their own. */
static const char *fence_end(const char *p, const char *end, size_t ticks)
{
    for (; p < end && *p != '\n'; p++)
        if (*p == '`' && count_ticks(p, end) >= ticks)
            return p + count_ticks(p, end);
    while (p < end) {
        size_t n;

        p = json_skip_blanks(p, end);
        n = count_ticks(p, end);
        p += n;
        if (n >= ticks && line_ends(p, end))
            return p;
        while (p < end && *p != '\n')
            p++;
    }
    return end;
}

/* The label of a fence: the first word behind its ticks, on the same line. */
static struct span label_at(const char *p, const char *end)
{
    const char *from;

    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    for (from = p; p < end && !strchr(" \t\r\n{[\"`", *p);)
        p++;
    return (struct span){from, (size_t)(p - from)};
}

static bool label_says(struct span label, const char *word)
{
    return label.n == strlen(word) && strncasecmp(label.p, word, label.n) == 0;
}

/* Is a fence of that label, with that content, meant to be JSON? */
static bool means_json(struct span label, const char *content, const char *end)
{
    if (label.n >= 4 && strncasecmp(label.p, "json", 4) == 0)
        return true;
    if (label.n && !label_says(label, "js") && !label_says(label, "javascript"))
        return false;
    return content < end && (*content == '{' || *content == '[');
}

/* The ticks that close a fence around one value; NULL: it holds something else. */
static const char *close_of(struct span value, const char *end, size_t ticks)
{
    const char *close = value.n ? skip_comments(value.p + value.n, end) : NULL;

    return close && (close == end || count_ticks(close, end) >= ticks) ? close : NULL;
}

static struct span value_at(const char *p, const char *end)
{
    const char *behind = json_skip_value(p, end, JSON_MAX_DEPTH);

    return behind ? (struct span){p, (size_t)(behind - p)} : (struct span){NULL, 0};
}

static bool read_fence(struct pass *s)
{
    size_t ticks = count_ticks(s->p, s->end);
    struct span label = label_at(s->p + ticks, s->end), value;
    const char *content, *close = NULL;

    if (ticks < FENCE_TICKS)
        return false;
    content = skip_comments(label.p + label.n, s->end);
    s->line_start = false;
    if (means_json(label, content, s->end)) {
        value = value_at(content, s->end);
        close = close_of(value, s->end, ticks);
        s->fenced = close ? value : (struct span){NULL, 0};
        s->fences++;
    }
    s->p = close ? close + count_ticks(close, s->end) : fence_end(label.p, s->end, ticks);
    return true;
}

/* ---- values outside of fences ---- */

static bool read_value(struct pass *s)
{
    struct span value;

    if (!s->line_start || (*s->p != '{' && *s->p != '['))
        return false;
    s->line_start = false;
    if (s->values++) /* two are one too many */
        return false;
    value = value_at(s->p, s->end);
    if (!value.n)
        return false;
    s->p += value.n;
    if (line_ends(s->p + count_ticks(s->p, s->end),
                  s->end)) /* ``` may close what a prompt opened */
        s->value = value;
    return true;
}

static void read_char(struct pass *s)
{
    if (*s->p == '\n')
        s->line_start = true;
    else if (*s->p != ' ' && *s->p != '\t' && *s->p != '\r')
        s->line_start = false;
    s->p++;
}

static struct span found(const struct pass *s)
{
    bool clear = s->fences ? !s->values : s->values == 1;

    if (s->whole.n)
        return s->whole;
    if (s->thinking || !clear)
        return (struct span){NULL, 0};
    return s->fences ? s->fenced : s->value;
}

struct span together_unwrap(struct span text)
{
    struct pass s = {.p = text.p, .end = text.p + text.n};

    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        s.p += 3;
    while (s.end > s.p && json_skip_blanks(s.end - 1, s.end) == s.end)
        s.end--;
    pass_forget(&s);
    read_whole(&s);
    while (s.p < s.end)
        if (!read_tag(&s) && (s.thinking || (!read_fence(&s) && !read_value(&s))))
            read_char(&s);
    return found(&s);
}
