/* http_client_urls.c - the few URLs that are called again and again, parsed once.
 *
 * curl parses the URL of each request, and writes it out again to have it in its normal form: about
 * a tenth of what a call costs here.  A handle of curl's URL interface that is made once and given
 * to each request saves both.  Requests say themselves that their URL will come again (same_url);
 * the table only grows, because handles of requests under way point into it, and what finds no room
 * any more is parsed each time as before. */
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/io/http_client_impl.h"

static CURLU *parse(const char *text)
{
    CURLU *u = curl_url();

    if (u && curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK)
        return u;
    curl_url_cleanup(u); /* curl says why, when it is called */
    return NULL;
}

CURLU *http_urls_get(struct http_client *c, const char *text)
{
    struct http_url *u = c->urls;

    for (size_t i = 0; i < c->urls_n; i++, u++)
        if (!strcmp(u->text, text))
            return u->parsed;
    if (c->urls_n == HTTP_URLS)
        return NULL;
    *u = (struct http_url){xstrdup(text), parse(text)};
    c->urls_n++;
    return u->parsed;
}

void http_urls_done(struct http_client *c)
{
    for (size_t i = 0; i < c->urls_n; i++) {
        free(c->urls[i].text);
        curl_url_cleanup(c->urls[i].parsed);
    }
    c->urls_n = 0;
}
