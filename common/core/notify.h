/* notify.h - sd_notify(3) without libsystemd: a datagram to $NOTIFY_SOCKET. */
#ifndef FLOTILLA_NOTIFY_H
#define FLOTILLA_NOTIFY_H

void notify(const char *state); /* "READY=1"; nothing when there is no NOTIFY_SOCKET */
void notify_watchdog(void);     /* "WATCHDOG=1", at most once a second */

#endif
