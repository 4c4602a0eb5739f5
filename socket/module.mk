MECHANISMS += $(addprefix socket_,textbook pair stream threads seqpacket dgram abstract tcp udp)
SRC        += $(filter-out %/demo.c %/cost.c %/by_hand.c socket/test_%,$(wildcard socket/*.c))
TESTS      += $(addprefix socket/test_socket,.c _rendezvous.c _tcp.c _udp.c \
              _attacks.c _manners.c _dgram.c _limits.c _page.c)
CHECK_SRC  += socket/by_hand.c
