/*
 * protocol_page.c - writes PROTOCOL.md: enough to write a client in another
 * language without reading C.  Whatever can differ from the code is taken
 * from it: the methods, the statuses, the limits, each mechanism's own way in.
 */
#include "api.h"

#include <inttypes.h>

static const char frame[] =
    "# The protocol\n"
    "\n"
    "Written by `ipcctl describe --page` from the code; a test keeps the two "
    "equal.\nDo not edit.\n"
    "\n"
    "A client sends **requests** and **notices**, the server answers each "
    "request with\none **reply**. A message is one *frame*: a header of 32 "
    "bytes and the payload.\nAll integers are little-endian.\n"
    "\n"
    "| offset | size | field | |\n"
    "|---|---|---|---|\n"
    "| 0 | 4 | magic | the bytes `I` `P` `C` `1` |\n"
    "| 4 | 1 | version | %d |\n"
    "| 5 | 1 | kind | %d request, %d reply, %d notice (no reply, not even an "
    "error) |\n"
    "| 6 | 2 | method | number from the table below; a reply repeats it |\n"
    "| 8 | 4 | length | of the payload, bytes |\n"
    "| 12 | 4 | status | 0 in requests and notices |\n"
    "| 16 | 8 | id | chosen by the client, echoed in the reply |\n"
    "| 24 | 2 | nfds | 1 if a descriptor travels along, else 0 |\n"
    "| 26 | 6 | reserved | zero |\n"
    "\n"
    "There is no fragmentation. Header and payload together are at most %d "
    "bytes, or\nthe mechanism's own limit if that is smaller (`ipcbench list` "
    "prints it); more is\nrefused with EMSGSIZE. Transfer more in several "
    "calls "
    "with an offset.\n"
    "\n"
    "A frame that breaks these rules costs its sender the connection, and "
    "nobody else\nanything. One exception: a frame of an unknown version is "
    "answered with status %d\nbefore the connection goes.\n"
    "\n"
    "Choose ids that never repeat for your uid, across connections and "
    "restarts of the\nclient: start at a random 64-bit number and count up. "
    "Throw away replies whose id\nyou are not waiting for: they are answers "
    "to requests you gave up.\n"
    "\n"
    "`counter_add` sent again under the id it had is carried out once: the "
    "server\nremembers the last 256 ids of each user, and for 10 minutes at "
    "least. Every other\nmethod sent again is carried out again; but one that "
    "takes long and is still under\nway is not begun twice, and answered "
    "once.\n"
    "\n"
    "Any method can be sent as a request or as a notice, whatever the table of "
    "methods\ncalls it. A notice is carried out, and nothing comes back, not "
    "even an error; one\nof a method that takes long does nothing but answer, "
    "and is not carried out. A\nrequest for a method that is called a notice "
    "there gets a reply without results.\n"
    "\n"
    "Replies come when they are ready. Those to `sleep`, `read_file` and "
    "`open_file` may\ncome later than other clients' replies and, where you "
    "may send a request before the\nreply to the last one has come (`limits` "
    "says how many), later than replies to what\nyou sent after: go by the "
    "id. Take your replies: who does not is cut off, after 10\nseconds where "
    "the server can keep them, or at once.\n"
    "\n"
    "What can be spent is counted per user (`quota`; callers that the server "
    "cannot name\nare one user, root and the server's owner are not limited "
    "as long as something is\nleft). Status `busy` means that nothing was "
    "done and that it may be asked for again\nlater: requests that take long "
    "and are under way, descriptors that you have not\nreceived, lines of the "
    "log and of the audit. Each endpoint that is a process of its\nown counts "
    "for itself.\n";

static const char encoding[] =
    "\n## Arguments and results\n"
    "\n"
    "The payload is the fields in order, nothing between them, nothing after "
    "them.\n"
    "\n"
    "| type | bytes |\n"
    "|---|---|\n"
    "| u32, i32 | 4 |\n"
    "| u64, i64 | 8 |\n"
    "| string | u16 length, then that many bytes of UTF-8; no NUL. Anything "
    "else is `bad-args` |\n"
    "| bytes | u32 length, then that many bytes |\n"
    "| descriptor | none: an open file travels beside the frame, and `nfds` is "
    "1 |\n"
    "\n"
    "A reply with a status other than 0 has the same payload for every "
    "method:\n"
    "`errno: i32` (Linux numbers; 0 if no system call failed) and `message: "
    "string`.\n"
    "\n"
    "| status | name | |\n"
    "|---|---|---|\n";

static const char evidence[] =
    "\n## Evidence\n"
    "\n"
    "How the server knows who asks. A method is refused (status %d) when the "
    "mechanism's\nevidence is less than the method's. Beyond K0 it is refused "
    "as well when the server\ndoes not know the caller: uid 4294967295 (\"not "
    "known\") and 65534 (\"not mapped\").\nWhere the table of methods says so "
    "a "
    "rule of the server's policy file must allow\nit; and a rule may deny any "
    "method to anybody.\n"
    "\n"
    "| | |\n"
    "|---|---|\n"
    "| K0 | the request says so |\n"
    "| K1 | looked up after the fact: racy |\n"
    "| K2 | owns the reply object, and echoed the nonce left in it |\n"
    "| K3 | the kernel's word for the connection, or the real uid at exec |\n"
    "| K4 | the kernel's word on this very message |\n";

static const char rendezvous[] =
    "\n## Where the server is\n"
    "\n"
    "A daemon's endpoint has a path: `DIR/NAME`, where NAME is the "
    "mechanism's name with\n`-` for `/` (`fifo-perclient`), and DIR the run "
    "directory: `$IPCLAB_DIR` if set; else\n`/run/ipclab` for root; else "
    "`$XDG_RUNTIME_DIR/ipclab`; else `/tmp/ipclab-UID`.\nA client uses what it "
    "finds there only if it belongs to the owner of DIR, and nobody\nelse may "
    "write to DIR.\n"
    "\n"
    "A spawned server is started by its client, as `ipcd --stdio -m "
    "MECHANISM`, and\nspeaks on its descriptors 0 and 1.\n";

void
api_protocol_page(FILE *out)
{
    char signature[256], needs[80];

    fprintf(out, frame, WIRE_VERSION, WIRE_REQUEST, WIRE_REPLY, WIRE_NOTICE,
            IPC_MAX_MSG, WIRE_BAD_VERSION);
    fputs(encoding, out);
    for (uint32_t s = WIRE_OK; s < WIRE_STATUSES; s++)
        fprintf(out, "| %" PRIu32 " | `%s` | %s |\n", s, api_status_word(s),
                api_status_name(s));
    fprintf(out, evidence, WIRE_DENIED);
    fputs("\n## Methods\n\n| number | method | kind | needs | |\n"
          "|---|---|---|---|---|\n",
          out);
    for (const struct api_method *m = api_methods; m->name != NULL; m++) {
        api_signature(m, signature, sizeof signature);
        api_needs(m, needs, sizeof needs);
        fprintf(out, "| %u | `%s` | %s | %s | %s |\n", m->number, signature,
                m->kind == WIRE_NOTICE ? "notice" : "request", needs, m->doc);
    }
    fputs(rendezvous, out);
    for (size_t i = 0; ipc_registry[i] != NULL; i++)
        if (!(ipc_registry[i]->caps & IPC_INPROCESS))
            fprintf(out, "\n### %s\n\n%s\n", ipc_registry[i]->name,
                    ipc_registry[i]->wire);
}
