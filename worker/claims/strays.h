/* strays.h - active jobs of this worker that nobody here runs go back. */
#ifndef FLOTILLA_STRAYS_H
#define FLOTILLA_STRAYS_H

struct process;

/* The record says that this worker has that job, the process knows nothing of it: give it back to
 * the front. */
void strays_give_back(struct process *p, const char *id);

#endif
