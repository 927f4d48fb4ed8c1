/* clock.c - the two clocks, and the two ways to write a moment.
 *
 * Dates are computed here and not by gmtime_r/timegm: days are counted in
 * years that begin in March, so that the leap day comes last (the well-known
 * civil-calendar arithmetic).  Only UTC, only the years 0000 to 9999, which is
 * what RFC 3339 can write; moments outside are shown as the nearest one.
 */
#include "common/core/clock.h"

#include <time.h>

#define DAY_S  86400
#define MIN_MS (-62167219200000LL) /* 0000-01-01T00:00:00.000Z */
#define MAX_MS 253402300799999LL   /* 9999-12-31T23:59:59.999Z */

static int64_t system_mono_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t system_wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

const struct clock clock_system = {system_mono_us, system_wall_ms};
const struct clock *clock_now = &clock_system;

/* ---- the calendar ---- */

struct date {
    int year, month, day;
};

enum { DAYS_400Y = 146097, EPOCH_SHIFT = 719468 /* days from 0000-03-01 to 1970-01-01 */ };

/* era: 400 years; doe, yoe: day and year of the era; doy: day of a year that begins in March. */
static struct date date_of_day(int64_t days)
{
    int64_t z = days + EPOCH_SHIFT;
    int64_t era = (z >= 0 ? z : z - (DAYS_400Y - 1)) / DAYS_400Y;
    int64_t doe = z - era * DAYS_400Y;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t shifted = (5 * doy + 2) / 153; /* 0 = March */
    int month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);

    return (struct date){(int)(yoe + era * 400) + (month <= 2), month,
                         (int)(doy - (153 * shifted + 2) / 5) + 1};
}

static int64_t day_of_date(struct date d)
{
    int64_t year = d.year - (d.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * DAYS_400Y + doe - EPOCH_SHIFT;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* ---- writing ---- */

static char *put_digits(char *to, int64_t v, int width)
{
    for (int i = width - 1; i >= 0; i--, v /= 10)
        to[i] = (char)('0' + v % 10);
    return to + width;
}

static int64_t within(int64_t wall_ms) { return clamp64(wall_ms, MIN_MS, MAX_MS); }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

char *clock_rfc3339(int64_t wall_ms, char text[25])
{
    int64_t ms = within(wall_ms);
    int64_t s = floor_div(ms, 1000);
    int64_t day = floor_div(s, DAY_S);
    int64_t of_day = s - day * DAY_S;
    struct date d = date_of_day(day);
    char *to = put_digits(text, d.year, 4);

    *to++ = '-';
    to = put_digits(to, d.month, 2);
    *to++ = '-';
    to = put_digits(to, d.day, 2);
    *to++ = 'T';
    to = put_digits(to, of_day / 3600, 2);
    *to++ = ':';
    to = put_digits(to, of_day / 60 % 60, 2);
    *to++ = ':';
    to = put_digits(to, of_day % 60, 2);
    *to++ = '.';
    to = put_digits(to, ms - s * 1000, 3);
    *to++ = 'Z';
    *to = 0;
    return text;
}

char *clock_day(int64_t wall_ms, char text[9])
{
    struct date d = date_of_day(floor_div(within(wall_ms), DAY_S * 1000LL));
    char *to = put_digits(text, d.year, 4);

    to = put_digits(to, d.month, 2);
    to = put_digits(to, d.day, 2);
    *to = 0;
    return text;
}

/* ---- reading ---- */

/* Take `width` digits, then the character `then` (0: none), from *p. */
static bool clock_take(const char **p, const char *end, int width, char then, int *ret)
{
    int v = 0;

    if (end - *p < width + (then != 0))
        return false;
    for (int i = 0; i < width; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return then == 0 || *(*p)++ == then;
}

/* ".5" and longer: milliseconds, the rest cut off.  No '.' is fine too. */
static bool take_fraction(const char **p, const char *end, int *ret_ms)
{
    int digits = 0;

    *ret_ms = 0;
    if (*p == end || **p != '.')
        return true;
    for ((*p)++; *p < end && **p >= '0' && **p <= '9'; (*p)++, digits++)
        if (digits < 3)
            *ret_ms = *ret_ms * 10 + (**p - '0');
    for (int i = digits; i < 3; i++)
        *ret_ms *= 10;
    return digits > 0;
}

/* "Z" or "+02:00", which must be the rest of the text. */
static bool take_offset(const char **p, const char *end, int *ret_minutes)
{
    int hours, minutes, sign;

    *ret_minutes = 0;
    if (*p == end)
        return false;
    if (**p == 'Z' || **p == 'z')
        return *p + 1 == end;
    if (**p != '+' && **p != '-')
        return false;
    sign = *(*p)++ == '-' ? -1 : 1;
    if (!clock_take(p, end, 2, ':', &hours) || !clock_take(p, end, 2, 0, &minutes) || *p != end)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return hours < 24 && minutes < 60;
}

bool clock_parse_rfc3339(const char *p, size_t n, int64_t *ret_ms)
{
    const char *end = p + n;
    struct date d;
    int h, m, s, ms, offset;
    int64_t at;

    if (n == 0 || !clock_take(&p, end, 4, '-', &d.year) || !clock_take(&p, end, 2, '-', &d.month) ||
        !clock_take(&p, end, 2, 0, &d.day) || p == end || (*p != 'T' && *p != 't'))
        return false;
    p++;
    if (!clock_take(&p, end, 2, ':', &h) || !clock_take(&p, end, 2, ':', &m) ||
        !clock_take(&p, end, 2, 0, &s) || !take_fraction(&p, end, &ms) ||
        !take_offset(&p, end, &offset))
        return false;
    if (d.month < 1 || d.month > 12 || d.day < 1 || d.day > days_in_month(d.year, d.month) ||
        h > 23 || m > 59 || s > 60)
        return false; /* 60 is a leap second: the next second */
    at = day_of_date(d) * DAY_S + (int64_t)(h * 60 + m - offset) * 60 + s;
    *ret_ms = at * 1000 + ms;
    return true;
}
