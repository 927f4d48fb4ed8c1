/* stream_private.h - a streamed answer while it comes; private to stream*.c. */
#ifndef FLOTILLA_TOGETHER_STREAM_PRIVATE_H
#define FLOTILLA_TOGETHER_STREAM_PRIVATE_H

#include "worker/together/sse.h"
#include "worker/together/stream.h"

struct tool_call {
    struct buf id, type, name, arguments; /* the insides of JSON strings */
};

struct choice {
    bool seen, chat;
    struct buf role, content, reasoning, text; /* the insides of JSON strings */
    bool has_content;                          /* a string came, be it empty */
    const char *reasoning_name;                /* "reasoning" or "reasoning_content" */
    struct buf finish, seed;                   /* raw values */
    struct tool_call *calls;
    size_t call_count;
};

struct together_stream {
    struct sse sse;
    unsigned task;
    size_t used, max_bytes;                         /* of all that is kept */
    struct buf id, created, model, usage, warnings; /* raw values */
    struct choice *choices;
    size_t choice_count;
    int64_t events, chunks;
    together_chunk_cb *tell;
    void *tell_arg;
    bool done;
    struct buf mended;             /* the chunk at hand with \ufffd for halves of surrogate pairs */
    struct span raw;               /* then: as it came, byte for byte in the same places */
    bool halves;                   /* there was such a chunk */
    struct together_reply failure; /* kind ERR_NONE: none yet */
    struct buf body;
};

/* Write all that came into st->body, which is empty and has room. */
void stream_write_answer(struct together_stream *st);

#endif
