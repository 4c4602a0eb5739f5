/*
 * calls.h - the numbers of system calls, where the C library's name says too
 * little (syscall(2)).
 *
 * Where there is an ipc(2), glibc comes to System V semaphores through it.  And
 * with a time_t of 64 bits on 32, it calls what ends in _time64 only for a time
 * that needs it; but a machine may have no other.
 */
#ifndef CALLS_H
#define CALLS_H

#include <sys/syscall.h>

#ifdef SYS_ipc
#define CALL_SEMTIMEDOP SYS_ipc
#elif defined SYS_semtimedop_time64 && !defined SYS_semtimedop
#define CALL_SEMTIMEDOP SYS_semtimedop_time64
#else
#define CALL_SEMTIMEDOP SYS_semtimedop
#endif

#ifdef SYS_mq_timedsend
#define CALL_MQ_TIMEDSEND SYS_mq_timedsend
#else
#define CALL_MQ_TIMEDSEND SYS_mq_timedsend_time64
#endif

#ifdef SYS_ppoll
#define CALL_PPOLL SYS_ppoll
#else
#define CALL_PPOLL SYS_ppoll_time64
#endif

#endif
