/*
 * trips.h - how long 64 bytes take there and back, between two processes.
 */
#ifndef TRIPS_H
#define TRIPS_H

enum { TRIP_BYTES = 64 };

enum carrier { BY_PIPE, BY_SEMAPHORES, BY_SPINNING, CARRIERS };

/* Processors that this process may use. */
int trip_cpus(void);

/*
 * Sends and gets back for so many milliseconds, with both processes on one
 * processor or each on its own; returns the ns that one round trip took, or -1
 * (errno).  Also, in percent of that time, how long the processors were busy
 * with both: 200 is two processors all the time.
 */
double trip_time(enum carrier carrier, int two_cpus, int ms, double *busy);

#endif
