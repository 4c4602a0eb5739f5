MECHANISMS += signals_rt signals_bits signals_doorbell
SRC        += signals/link.c signals/rt.c signals/bits.c signals/doorbell.c
TESTS      += signals/test_signals.c
