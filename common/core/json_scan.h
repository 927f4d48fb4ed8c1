/* json_scan.h - the scanner under json_read.c; nobody else needs it.
 *
 * Each function takes the place of a token and the end of the text and returns
 * the place behind the token, or NULL when it is malformed.  p may be end.
 */
#ifndef FLOTILLA_JSON_SCAN_H
#define FLOTILLA_JSON_SCAN_H

#include "common/core/base.h"

/* A whole value, with at most `depth` containers inside each other. */
const char *json_skip_value(const char *p, const char *end, int depth);
/* A string whose opening quote is already passed. */
const char *json_skip_string(const char *p, const char *end);
const char *json_skip_number(const char *p, const char *end);
/* Read the escape whose backslash is at *p and step over it: its code point, or -1. */
int32_t json_read_escape(const char **p, const char *end);

static inline const char *json_skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

#endif
