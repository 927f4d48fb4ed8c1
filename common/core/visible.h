/* visible.h - text from outside on a terminal or in a log.
 *
 * Some characters do what they are not seen to do: C0 and C1 controls move the
 * cursor and change the terminal, marks of direction and of no width make a text
 * look like another one, separators of lines make two lines of one.  All of them
 * are written as JSON escapes them (\n, \u009b), so that JSON stays the same
 * JSON; bytes that are not UTF-8 become U+FFFD.  Everything that people see goes
 * through here: log.c for the programs' logs, visible_stream() for the command. */
#ifndef FLOTILLA_VISIBLE_H
#define FLOTILLA_VISIBLE_H

#include <stdio.h>

#include "common/core/buf.h"

enum { VISIBLE_MAX = 16 };

/* What stands for the character at p (p < end), in text, NUL-terminated: itself, or its escape.
 * Returns the bytes that were read. */
size_t visible_char(const char *p, const char *end, char text[VISIBLE_MAX]);
/* Append text on one line: line feeds and tabs are escaped as well. */
void visible_add(struct buf *b, const char *p, size_t n);
/* A stream that writes to fd through here; "\n" and "\t" stay, and of `also` each character.
 * Unbuffered when buffered is false.  It lives as long as the program; two at most. */
FILE *visible_stream(int fd, const char *also, bool buffered);

#endif
