/* web.c - libcurl's easy interface with a ten-second patience. */
#include "tests/support/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "tests/support/program.h"

static size_t keep(char *p, size_t size, size_t count, void *to)
{
    return fwrite(p, size, count, to);
}

struct web_answer web_request(const char *method, const char *url, const char *body,
                              const char *header)
{
    struct web_answer a = {0};
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    CURL *curl = curl_easy_init();
    FILE *to = open_memstream(&a.body, &a.n);
    CURLcode code;
    long status = 0;

    if (!curl || !to || !headers)
        abort();
    headers = curl_slist_append(headers, "Content-Type: application/json");
    if (header)
        headers = curl_slist_append(headers, header);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)patience_ms(10000));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, to);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    }
    code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        fprintf(to, "%s", curl_easy_strerror(code));
    a.status = code == CURLE_OK ? (int)status : 0;
    fclose(to);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return a;
}

void web_answer_done(struct web_answer *a)
{
    free(a->body);
    *a = (struct web_answer){0};
}
