/*
 * share.h - how many of a server's places may be one user's.
 *
 * A client costs its user next to nothing, and a server takes as many as it has
 * places for.  So whoever comes often enough has all of them, and the server is
 * there for nobody else.  Half is the most that one user gets; the others have
 * the other half, whatever he does.
 *
 * Count those clients whose uid the kernel has told (owner.h, SO_PEERCRED).  If
 * a claim were enough, anybody could spend Alice's share for her.
 */
#ifndef SHARE_H
#define SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SHARE(places) ((places) / 2)

/* This user has so many of the places, and may have no more.  Never said of
 * root and of the server's own user: they could stop the server anyway, and
 * have to get in when it is in trouble. */
bool share_spent(uid_t uid, size_t has, size_t places);

#endif
