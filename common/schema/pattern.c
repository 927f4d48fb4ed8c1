/* pattern.c - does a text match?  All places of the program that the text so far can have led to
 * are held at once (Thompson 1968; Pike's form of it), so there is nothing to go back to.
 *
 *   for each code point:  places ─ those whose character or set it is ─▶ next places
 *
 * `follow` walks over the instructions that take no character; a place is entered once per code
 * point, so a loop that takes nothing ends. */
#include "common/schema/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/utf8.h"
#include "common/core/xalloc.h"
#include "common/schema/pattern_node.h"

struct pattern *pattern_new(const char *text, struct err *err)
{
    struct pattern *p = xcalloc(1, sizeof *p);

    if (!pattern_parse(p, text, err)) {
        pattern_free(p);
        return NULL;
    }
    p->here = xcalloc(p->step_count, sizeof *p->here);
    p->next = xcalloc(p->step_count, sizeof *p->next);
    p->stack = xcalloc(2 * p->step_count + 1, sizeof *p->stack);
    p->reached = xcalloc(p->step_count, sizeof *p->reached);
    return p;
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    free(p->steps);
    free(p->sets);
    free(p->ranges);
    free(p->here);
    free(p->next);
    free(p->stack);
    free(p->reached);
    free(p);
}

static bool in_set(const struct pattern *p, const struct pattern_set *set, uint32_t c)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct pattern_range *r = &p->ranges[set->first + i];

        if (c >= r->from && c <= r->to)
            return !set->negated;
    }
    return set->negated;
}

static bool takes(const struct pattern *p, const struct pattern_step *s, int c, int64_t *steps)
{
    *steps -= s->op == OP_CHAR ? 1 : 1 + (int64_t)p->sets[s->x].count / 4;
    return s->op == OP_CHAR ? s->x == c : in_set(p, &p->sets[s->x], (uint32_t)c);
}

static bool is_word(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* Where we are in the text; -1 beyond its ends. */
struct spot {
    int before, behind;
};

/* Add a place, and all that can be reached from it without a character.  True: the match. */
static bool follow(struct pattern *p, int place, struct spot at, size_t *count, int64_t *steps)
{
    size_t depth = 0;

    p->stack[depth++] = place;
    while (depth) {
        int here = p->stack[--depth];
        const struct pattern_step *s = &p->steps[here];
        bool edge = is_word(at.before) != is_word(at.behind);

        if (p->reached[here] == p->round)
            continue;
        p->reached[here] = p->round;
        --*steps;
        if (s->op == OP_MATCH)
            return true;
        if (s->op == OP_CHAR || s->op == OP_SET)
            p->next[(*count)++] = here;
        else if (s->op == OP_GO)
            p->stack[depth++] = here + s->x;
        else if (s->op == OP_FORK) {
            p->stack[depth++] = here + s->y;
            p->stack[depth++] = here + s->x;
        } else if ((s->op == OP_START && at.before < 0) || (s->op == OP_END && at.behind < 0) ||
                   (s->op == OP_EDGE && edge) || (s->op == OP_NO_EDGE && !edge))
            p->stack[depth++] = here + 1;
    }
    return false;
}

static void swap(struct pattern *p)
{
    int *kept = p->here;

    p->here = p->next;
    p->next = kept;
    if (++p->round == 0) { /* once in four thousand million */
        memset(p->reached, 0, p->step_count * sizeof *p->reached);
        p->round = 1;
    }
}

/* The code point at p, -1 at the end; what is no UTF-8 counts as U+FFFD by byte. */
static int code_point(const char *p, const char *end, size_t *ret_n)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t n = p < end ? utf8_len(p, end) : 0;

    *ret_n = n ? n : p < end;
    switch (n) {
    case 0: return p < end ? 0xfffd : -1;
    case 1: return u[0];
    case 2: return (u[0] & 0x1f) << 6 | (u[1] & 0x3f);
    case 3: return (u[0] & 0x0f) << 12 | (u[1] & 0x3f) << 6 | (u[2] & 0x3f);
    default: return (u[0] & 0x07) << 18 | (u[1] & 0x3f) << 12 | (u[2] & 0x3f) << 6 | (u[3] & 0x3f);
    }
}

bool pattern_matches(struct pattern *p, const char *text, size_t n, int64_t *steps)
{
    const char *end = text + n;
    size_t len, count = 0, next_count = 0;
    struct spot at = {-1, code_point(text, end, &len)};

    swap(p);
    while (!follow(p, 0, at, &next_count, steps)) { /* a match may begin here, too */
        int c = at.behind;

        if (c < 0 || *steps < 0)
            return false;
        text += len;
        swap(p);
        count = next_count;
        next_count = 0;
        at = (struct spot){c, code_point(text, end, &len)};
        for (size_t i = 0; i < count; i++) {
            const struct pattern_step *s = &p->steps[p->here[i]];
            if (takes(p, s, c, steps) && follow(p, p->here[i] + 1, at, &next_count, steps))
                return true;
        }
    }
    return true;
}
