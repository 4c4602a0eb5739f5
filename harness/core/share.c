/* share.c - how many of a server's places may be one user's. */
#include "share.h"

#include "defence.h"

#include <unistd.h>

bool
share_spent(uid_t uid, size_t has, size_t places)
{
    bool may_have_all = uid == 0 || uid == geteuid();

    return DEFENCE("share", has >= SHARE(places) && !may_have_all, false);
}
