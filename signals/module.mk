MECHANISMS += signals_textbook
SRC        += signals/textbook.c
MECHANISMS += signals_rt signals_bits signals_doorbell
SRC        += signals/link.c signals/rt.c signals/bits.c signals/alternate.c \
              signals/doorbell.c signals/page.c
TESTS      += $(addprefix signals/test_signals,.c _variants.c _start.c)
CHECK_SRC  += signals/by_hand.c
