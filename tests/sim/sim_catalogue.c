/* sim_catalogue.c - GET /models and GET /whoami.
 *
 * The catalogue is a bare array, as recorded: prices are USD per million as
 * floats with their noise, removed models are still in it, and nothing tells
 * which ones can be called.
 */
#include <stdio.h>
#include <string.h>

#include "common/core/json.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_handlers.h"

static const char *type_of(unsigned tasks)
{
    if (tasks & TASK_EMBEDDING)
        return "embedding";
    if (tasks & TASK_RERANK)
        return "rerank";
    return tasks & TASK_IMAGE ? "image" : "chat";
}

/* USD per million, computed as clumsily as the provider does. */
static double usd(int64_t nanousd) { return nanousd > 0 ? (double)nanousd / 1e15 * 1e6 : 0; }

static void print_pricing(struct buf *b, const struct sim_model *m)
{
    buf_printf(b, "{\"hourly\":0,\"input\":%.17g,\"output\":%.17g,\"base\":0,\"finetune\":0",
               usd(m->in_nanousd), usd(m->out_nanousd));
    if (m->cached_nanousd >= 0)
        buf_printf(b, ",\"cached_input\":%.17g", usd(m->cached_nanousd));
    buf_puts(b, ",\"image_pixel\":");
    if (m->image_unit == IMAGE_MEGAPIXEL)
        buf_printf(b, "{\"price_per_megapixel\":%.17g,\"min_steps\":4}", usd(m->image_nanousd));
    else
        buf_putc(b, '0');
    buf_puts(b, ",\"transcribe\":0,\"image\":");
    if (m->image_unit == IMAGE_PIECE)
        buf_printf(b, "{\"example_price\":%.17g,\"example_description\":\"1024x1024\"}",
                   usd(m->image_nanousd));
    else
        buf_putc(b, '0');
    buf_puts(b, ",\"video\":0}");
}

static void print_model(struct buf *b, const struct sim_model *m)
{
    const char *slash = strchr(m->id, '/');

    buf_putc(b, '{');
    json_add_str(b, "id", m->id);
    json_add_str(b, "object", "model");
    json_add_int(b, "created", 0);
    json_add_str(b, "type", type_of(m->tasks));
    json_add_bool(b, "running", false);
    json_add_str(b, "display_name", slash ? slash + 1 : m->id);
    json_add_key(b, "organization");
    json_add_string(b, m->id, slash ? (size_t)(slash - m->id) : 0);
    json_add_str(b, "link", "");
    if (m->context)
        json_add_int(b, "context_length", m->context);
    buf_puts(b, ",\"config\":{\"chat_template\":null,\"stop\":[],\"bos_token\":null,"
                "\"eos_token\":null},\"pricing\":");
    print_pricing(b, m);
    buf_putc(b, '}');
}

void sim_on_models(struct sim_call *c)
{
    struct buf *b = &c->reply.body;
    bool any = false;

    buf_putc(b, '[');
    for (size_t i = 0; i < c->sim->models.count; i++) {
        if (!c->sim->models.rows[i].listed)
            continue;
        buf_puts(b, any ? "," : "");
        print_model(b, &c->sim->models.rows[i]);
        any = true;
    }
    buf_putc(b, ']');
}

void sim_on_whoami(struct sim_call *c)
{
    buf_puts(&c->reply.body, "{\"api_key_id\":\"key_sim\",\"organization_id\":\"org_sim\","
                             "\"project_id\":\"proj_sim\",\"project_slug\":\"sim\","
                             "\"user_id\":\"user_sim\"}");
}
