/* sim_head.c - the status line and headers of an answer.
 *
 * What the provider's recorded answers carry: the proxy's marks (Server,
 * Cf-Ray), the times of the call and no rate-limit headers on a 200.  The two
 * time stamps are printed once per millisecond, not per answer.
 */
#include "tests/sim/sim_head.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/core/clock.h"
#include "tests/sim/sim.h"

const char *sim_head_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {206, "Partial Content"},
        {302, "Found"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Payload Too Large"},
        {416, "Range Not Satisfiable"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {524, "A Timeout Occurred"},
        {529, "Site is overloaded"},
    };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

/* The text of now, as RFC 3339. */
static const char *now_text(void)
{
    static char text[25];
    static int64_t of_ms = -1;
    int64_t now = clock_wall_ms();

    if (now != of_ms) {
        clock_rfc3339(now, text);
        of_ms = now;
    }
    return text;
}

static bool has_type(const struct buf *head)
{
    for (const char *p = head->p; p && *p; p = strchr(p, '\n') + 1)
        if (!strncasecmp(p, "content-type:", 13))
            return true;
    return false;
}

static void provider_headers(const struct sim_call *c, struct buf *out)
{
    char id[48];

    sim_call_id(c, id);
    buf_puts(out, "Server: cloudflare\r\nCf-Cache-Status: DYNAMIC\r\nCf-Ray: ");
    buf_puts(out, id + 15);
    buf_puts(out, "-SIM\r\nX-Request-Id: ");
    buf_puts(out, id);
    buf_puts(out, "\r\nAccess-Control-Allow-Origin: *\r\nX-Api-Received: ");
    buf_puts(out, now_text());
    if (c->complete) {
        buf_puts(out, "\r\nX-Api-Call-Start: ");
        buf_puts(out, now_text());
        if (!c->reply.chunked) {
            buf_puts(out, "\r\nX-Api-Call-End: ");
            buf_puts(out, now_text());
        }
        buf_puts(out, "\r\nX-Inference-Version: v2");
    }
    buf_puts(out, "\r\n");
}

void sim_head_print(const struct sim_call *c, bool keep_alive, struct buf *out)
{
    const struct sim_reply *r = &c->reply;

    buf_puts(out, "HTTP/1.1 ");
    buf_int(out, r->status);
    buf_putc(out, ' ');
    buf_puts(out, sim_head_reason(r->status));
    buf_puts(out, "\r\n");
    if (!has_type(&r->head)) {
        buf_puts(out, "Content-Type: ");
        buf_puts(out, r->type ? r->type : "application/json; charset=utf-8");
        buf_puts(out, "\r\n");
    }
    if (!r->plain)
        provider_headers(c, out);
    buf_add(out, r->head.p, r->head.n);
    if (!keep_alive)
        buf_puts(out, "Connection: close\r\n");
    if (r->chunked) {
        buf_puts(out, "Transfer-Encoding: chunked\r\n\r\n");
        return;
    }
    buf_puts(out, "Content-Length: ");
    buf_int(out, (int64_t)r->body.n);
    buf_puts(out, "\r\n\r\n");
}
