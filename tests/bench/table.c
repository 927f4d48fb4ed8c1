/* table.c - the figures of all workloads, printed as two tables at the end.
 *
 *   workload      flotilla   against         ratio   bar
 *   what          CPU us per job by program, and how busy the machine was
 *
 * The rows lie in memory that the forked workloads share with main.c. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { ROWS_MAX = 64, CELL = 40 };

struct line {
    char cells[6][CELL];
};
struct tables {
    size_t figures, uses;
    struct line figure[ROWS_MAX], use[ROWS_MAX];
};

static struct tables *shared;

void table_share(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
}

/* 61234 -> "61,234", 7.25 -> "7.25" */
static void number(char *text, size_t size, double v, const char *unit)
{
    if (v >= 1000)
        snprintf(text, size, "%d,%03d%s", (int)(v / 1000), (int)v % 1000, unit);
    else
        snprintf(text, size, "%.*f%s", v >= 100 ? 0 : v >= 10 ? 1 : 2, v, unit);
}

static struct line *next_line(struct line *lines, size_t *count)
{
    if (*count == ROWS_MAX) {
        fprintf(stderr, "over %d rows\n", ROWS_MAX);
        abort();
    }
    return &lines[(*count)++];
}

void bench_row(const struct row *r)
{
    struct line *l = next_line(shared->figure, &shared->figures);
    double judged = r->against ? r->ratio > 0 ? r->ratio : r->ours / r->reference : r->ours;
    bool good = r->at_most ? judged <= r->bar : judged >= r->bar;
    char bar[CELL / 2], value[CELL / 2];

    snprintf(l->cells[0], CELL, "%s", r->workload);
    number(l->cells[1], CELL, r->ours, r->unit);
    if (r->against) {
        number(value, sizeof value, r->reference, r->unit);
        snprintf(l->cells[2], CELL, "%.18s %s", r->against, value);
        number(l->cells[3], CELL, judged, " x");
    }
    if (r->bar > 0) {
        number(bar, sizeof bar, r->bar, r->against ? " x" : r->unit);
        snprintf(l->cells[4], CELL, "%s %s", r->at_most ? "<=" : ">=", bar);
        snprintf(l->cells[5], CELL, "%s", good ? "ok" : "MISS");
    }
    bench_say("%-34s %12s   %-26s %9s   %-12s %s", l->cells[0], l->cells[1], l->cells[2],
              l->cells[3], l->cells[4], l->cells[5]);
}

void bench_missing(const char *workload, const char *against, const char *why)
{
    struct line *l = next_line(shared->figure, &shared->figures);

    snprintf(l->cells[0], CELL, "%s", workload);
    snprintf(l->cells[2], CELL, "%s: %s", against, why);
    snprintf(l->cells[5], CELL, "-");
}

void usage_row(const char *what, const struct usage *used, int64_t jobs)
{
    struct line *l = next_line(shared->use, &shared->uses);
    const int64_t parts[] = {used->redis_us, used->scheduler_us, used->workers_us};
    double ours = 0, wall = (double)used->mono_us;

    snprintf(l->cells[0], CELL, "%s", what);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        ours += (double)parts[i];
        snprintf(l->cells[i + 1], CELL, "%.1f", (double)parts[i] / (double)jobs);
    }
    snprintf(l->cells[4], CELL, "%.2f", ours / wall);
    snprintf(l->cells[5], CELL, "%.2f", (double)used->machine_us / wall);
}

static void print_head(void)
{
    char load[64] = "?";
    FILE *in = fopen("/proc/loadavg", "re");

    if (in && fgets(load, sizeof load, in))
        load[strcspn(load, "\n")] = '\0';
    if (in)
        fclose(in);
    printf("\n%ld CPUs, load %s, %d rounds\n\n", sysconf(_SC_NPROCESSORS_ONLN), load,
           bench_rounds());
}

void table_print(void)
{
    print_head();
    printf("%-34s %12s   %-26s %9s   %-12s\n", "workload", "flotilla", "against", "ratio", "bar");
    for (size_t i = 0; i < shared->figures; i++) {
        const struct line *l = &shared->figure[i];

        printf("%-34s %12s   %-26s %9s   %-12s %s\n", l->cells[0], l->cells[1], l->cells[2],
               l->cells[3], l->cells[4], l->cells[5]);
    }
    printf("\n%-34s %9s %9s %9s   %s\n", "CPU us per job", "redis", "sched.", "workers",
           "CPUs: these, all of the machine");
    for (size_t i = 0; i < shared->uses; i++) {
        const struct line *l = &shared->use[i];

        printf("%-34s %9s %9s %9s   %5s %5s\n", l->cells[0], l->cells[1], l->cells[2], l->cells[3],
               l->cells[4], l->cells[5]);
    }
    fflush(stdout);
}
