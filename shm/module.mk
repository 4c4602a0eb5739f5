MECHANISMS += shm_futex shm_spin shm_mutex
SRC        += shm/futex.c shm/spin.c shm/mutex.c shm/monitor.c
TESTS      += shm/test_shm.c shm/test_rings.c
MECHANISMS += shm_sysv
SRC        += shm/sysv.c
TESTS      += shm/test_shm_sysv.c
MECHANISMS += shm_reclock
SRC        += shm/reclock.c
