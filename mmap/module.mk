MECHANISMS += mmap_textbook
SRC        += mmap/textbook.c
MECHANISMS += mmap_file
SRC        += mmap/file.c
MECHANISMS += mmap_lockfile
SRC        += mmap/lockfile.c
TESTS      += mmap/test_mmap.c
