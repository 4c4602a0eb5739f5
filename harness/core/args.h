/*
 * args.h - what the command lines of the programs have in common.
 */
#ifndef ARGS_H
#define ARGS_H

#include "ipc.h"
#include "version.h"
#include "wire.h"

#include <argp.h>
#include <stdbool.h>

/* "ipcd (ipclab) 1.0, protocol 1": for argp_program_version. */
#define ARGS_VERSION(program) \
    program " (ipclab) " IPCLAB_VERSION ", protocol " ARGS_TEXT(WIRE_VERSION)
#define ARGS_TEXT(macro)     ARGS_TEXT_OF(macro)
#define ARGS_TEXT_OF(number) #number

/* The mechanism that is called name, or the program ends, by argp_error(): if
 * there is none, or if it has no server of its own (IPC_INPROCESS), and so
 * "there is nobody to talk to", or whatever that means to the program. */
const struct ipc_mechanism *args_mechanism(struct argp_state *state,
                                           const char *name, const char *so);

/* Is it "HOST" or "HOST:PORT", with a port up to 65535, and not IPv6?  With
 * to_reach the port must be there, and not 0. */
bool args_address(const char *text, bool to_reach);

#endif
