/* stream_private.h - a streamed answer while it comes; private to stream*.c. */
#ifndef FLOTILLA_TOGETHER_STREAM_PRIVATE_H
#define FLOTILLA_TOGETHER_STREAM_PRIVATE_H

#include "worker/together/grow.h"
#include "worker/together/sse.h"
#include "worker/together/stream.h"

struct tool_call {
    int64_t index; /* as the provider numbers it; -1: it does not */
    struct grow members;
};

/* A message's content: one text, or parts of which some are no text. */
struct content {
    bool there;        /* a string or a part came, be it empty */
    struct buf text;   /* the inside of the text that follows the parts */
    struct grow parts; /* a list; nothing: all is text */
};

struct choice {
    bool seen, chat;
    struct content content;
    struct grow message; /* the other members of the deltas */
    struct grow others;  /* members beside the delta, such as logprobs */
    struct buf text;     /* of a completion: the inside of a string */
    struct grow finish;  /* finish_reason */
    struct tool_call *calls;
    size_t call_count;
    size_t looked_bytes; /* stream_calls.c: of arguments, in search for their end */
};

struct together_stream {
    enum { FRAME_UNKNOWN, FRAME_EVENTS, FRAME_WHOLE } frame;
    size_t mark_n; /* of a byte order mark in front */
    struct sse sse;
    unsigned task;
    struct grow_room room; /* of all that is kept */
    struct grow usage;     /* the last one */
    struct grow others;    /* the other members of the chunks: the last of each */
    struct choice *choices;
    size_t choice_count;
    int64_t events, chunks;
    together_chunk_cb *tell;
    void *tell_arg;
    bool done;
    struct buf mended;             /* the chunk at hand with \ufffd for halves of surrogate pairs */
    bool halves;                   /* there was such a chunk */
    struct together_reply failure; /* kind ERR_NONE: none yet */
    struct buf body;
    struct together_answer *whole; /* of FRAME_WHOLE, once it has ended */
};

/* Record the failure that ends the stream; always false. */
bool stream_fail(struct together_stream *st, enum err_kind kind, const char *message);
bool stream_too_large(struct together_stream *st);

/* stream_calls.c: the tool calls of one delta. */
NODISCARD bool stream_read_calls(struct together_stream *st, struct choice *c, struct span calls);
/* stream_content.c: add a delta's content; write all of it. */
NODISCARD bool stream_add_content(struct content *c, struct span piece, struct grow_room *room);
void stream_write_content(struct content *c, struct buf *b);
/* stream_answer.c: write all that came into st->body, which is empty and has room. */
void stream_write_answer(struct together_stream *st);

#endif
