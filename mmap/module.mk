MECHANISMS += mmap_file
SRC        += mmap/file.c
MECHANISMS += mmap_lockfile
SRC        += mmap/lockfile.c mmap/sheet.c mmap/sheet_server.c \
              mmap/sheet_seats.c mmap/baton.c
TESTS      += mmap/test_mmap.c
