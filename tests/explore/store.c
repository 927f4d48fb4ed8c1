/* store.c - see store.h: remembers what was run; the two halves of running it
 * are in store_write.c and store_read.c.
 */
#include "tests/explore/store.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "tests/explore/store_private.h"
#include "tests/explore/wire.h"

struct pool *records, *texts, *images, *commands;
struct keys keys;
int64_t wall_ms;
const char *const job_ids[JOBS] = {"a", "b"};
const char *const worker_ids[IDS] = {"w-aaaaaaa1", "w-bbbbbbb1", "w-aaaaaaa2", "w-bbbbbbb2"};
const char *const leases[LEASES] = {"", "aaaa00000001", "aaaa00000002", "bbbb00000001",
                                    "bbbb00000002"};
const enum queue_id queue_ids[QUEUES] = {QUEUE_INFERENCE_STANDARD, QUEUE_INFERENCE_BATCH};
char *job_docs[JOBS];

static struct pool *asked; /* image and command */
static struct answer *answers;
static size_t answers_room;
static uint64_t runs;
static const struct reply **replies; /* by number of the text; NULL: not read yet */
static size_t replies_room;

const struct image *image_of(uint32_t id)
{
    return (const struct image *)(const void *)pool_bytes(images, id).p;
}

uint32_t image_id(const struct image *i) { return pool_id(images, i, sizeof *i); }

const char *header_of(uint32_t record) { return pool_bytes(records, record).p; }

const struct reply *reply_of(uint32_t text)
{
    if (text >= replies_room) {
        size_t before = replies_room;

        replies_room = 2 * (size_t)text;
        replies = xrealloc(replies, replies_room * sizeof(void *));
        memset(replies + before, 0, (replies_room - before) * sizeof(void *));
    }
    if (!replies[text])
        replies[text] = wire_reply(pool_bytes(texts, text));
    return replies[text];
}

uint64_t store_runs(void) { return runs; }

struct answer store_run(uint32_t image, uint32_t command)
{
    const uint32_t question[2] = {image, command};
    uint32_t count = pool_count(asked), id = pool_id(asked, question, sizeof question);

    if (id < count)
        return answers[id];
    if (id >= answers_room) {
        answers_room = answers_room ? 2 * answers_room : 1024;
        answers = xrealloc(answers, answers_room * sizeof *answers);
    }
    runs++;
    answers[id] = image_run(image_of(image), pool_bytes(commands, command));
    return answers[id];
}

void store_open(void)
{
    wall_ms = clock_system.wall_ms();
    records = pool_new();
    texts = pool_new();
    images = pool_new();
    commands = pool_new();
    asked = pool_new();
    keys_init(&keys, "fl");
    for (int j = 0; j < JOBS; j++) {
        struct buf b = BUF(256);

        buf_printf(&b,
                   "{\"id\":\"%s\",\"type\":\"inference\",\"payload\":{\"task\":\"chat\","
                   "\"prompt\":\"Hi\"}}",
                   job_ids[j]);
        job_docs[j] = buf_take(&b);
    }
}

void store_close(void)
{
    for (int j = 0; j < JOBS; j++)
        free(job_docs[j]);
    keys_done(&keys);
    for (size_t i = 0; i < replies_room; i++)
        if (replies[i])
            wire_done(replies[i]);
    free(replies);
    pool_free(asked);
    pool_free(commands);
    pool_free(images);
    pool_free(texts);
    pool_free(records);
    free(answers);
}
