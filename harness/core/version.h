/*
 * version.h - which release this is.  CHANGELOG.md says what came with it;
 * make, the packages and ipclab.pc take the number from here.
 */
#ifndef VERSION_H
#define VERSION_H

#define IPCLAB_VERSION "1.0"

#endif
