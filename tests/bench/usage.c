/* usage.c - CPU time and memory of processes, from /proc.
 *
 * CPU time is the scheduler's own count in nanoseconds (schedstat), summed over
 * the threads; ticks of 10 ms would be too coarse for an idle process. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static int64_t first_number(const char *path)
{
    FILE *in = fopen(path, "re");
    char text[128] = "";

    if (in && !fgets(text, sizeof text, in))
        text[0] = '\0';
    if (in)
        fclose(in);
    return (int64_t)strtoll(text, NULL, 10);
}

int64_t cpu_us(pid_t pid)
{
    char path[300];
    int64_t ns = 0;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    dir = opendir(path);
    if (!dir)
        ck_abort_msg("process %d has gone", (int)pid);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, e->d_name);
        ns += first_number(path);
    }
    closedir(dir);
    return ns / 1000;
}

/* "cpu user nice system idle iowait irq softirq steal ...", in ticks */
static int64_t machine_us(void)
{
    long long t[8] = {0}, busy = 0;
    FILE *in = fopen("/proc/stat", "re");
    char line[512] = "", *at = line + 3;

    if (!in || !fgets(line, sizeof line, in))
        ck_abort_msg("no /proc/stat");
    fclose(in);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        t[i] = strtoll(at, &at, 10);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        if (i != 3 && i != 4)
            busy += t[i];
    return busy * (1000000 / sysconf(_SC_CLK_TCK));
}

struct usage usage_now(const struct party *p)
{
    struct usage u = {.machine_us = machine_us(), .mono_us = mono_us()};

    u.redis_us = p->redis ? cpu_us(p->redis) : 0;
    u.scheduler_us = p->scheduler ? cpu_us(p->scheduler) : 0;
    for (size_t i = 0; i < p->count; i++)
        u.workers_us += cpu_us(p->workers[i]);
    return u;
}

struct usage usage_since(const struct party *p, const struct usage *before)
{
    struct usage u = usage_now(p);

    u.redis_us -= before->redis_us;
    u.scheduler_us -= before->scheduler_us;
    u.workers_us -= before->workers_us;
    u.machine_us -= before->machine_us;
    u.mono_us -= before->mono_us;
    return u;
}

int64_t private_bytes(pid_t pid)
{
    char path[64], line[256];
    long long kb, sum = 0;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    in = fopen(path, "re");
    if (!in)
        ck_abort_msg("%s cannot be read", path);
    while (fgets(line, sizeof line, in)) {
        if (strncmp(line, "Private_Clean:", 14) != 0 && strncmp(line, "Private_Dirty:", 14) != 0)
            continue;
        kb = strtoll(line + 14, NULL, 10);
        sum += kb;
    }
    fclose(in);
    return sum * 1024;
}
