# skeleton.awk - the file that a student begins with, made from the textbook form
# of a mechanism:
#
#       awk -v lab=fifo -v blank=all -f skeleton.awk fifo/textbook.c
#
#       /* block send: what is owed */       stays
#       ... the code ...                     goes, if blank is "all" or "send"
#       /* end: return -ENOSYS; */           what stands there instead, if so
#
# So the two cannot grow apart.  With blank=none it is the whole textbook form, by
# the student's names: what `make diff` compares with.
#
# harness/lab/work.mk looks for "not written yet".

BEGIN {
    print "/*"
    print " * " lab "/work/" lab ".c - yours; " lab "/LAB.md is the assignment."
    print " *"
    print " * What is marked \"not written yet\" is to be written.  All the rest is" \
          " one way"
    print " * to do it, and may be changed, too."
    print " *"
}
FNR == 1 && /^\/\*$/ { next } # the two first comments are one
{ sub(/^ \* textbook[.]c - the /, " * The ") }

# The last paragraph of its first comment is about the blocks.
/^ \* What stands between "block"/ { skipping = 1 }
skipping && !/^ \*\// { held = ""; next }
skipping { skipping = 0 }

# It is "fifo/work", not "fifo/textbook", in everything but prose.
!/^( \*|#include)/ {
    gsub(lab "/textbook[.]c", lab "/work/" lab ".c")
    # The arguments in the next lines stand below the first one.
    if (moved)
        sub(/^    /, "")
    moved = (/^textbook_/ || moved) && /,$/
    gsub(/textbook_/, "work_")
    gsub(/_textbook/, "_work")
    gsub(/\/textbook/, "/work")
    gsub(/-textbook/, "-work")
}
/^ *\/\* block [a-z]+:/ {
    if (block != "")
        wrong("block " block " has no end")
    block = $3
    sub(/:$/, "", block)
    put = blank == "all" || blank == block
    in_comment = 1
}

/^ *\/\* end:.*\*\/$/ {
    if (block == "")
        wrong("an end without a block")
    block = ""
    if (put) {
        instead = $0
        sub(/\/\* end: */, "", instead)
        sub(/ *\*\/$/, "", instead)
        sub(/ +$/, "", instead)
        say(instead (instead ~ /;/ ? " " : "    ") "/* not written yet */")
    }
    put = 0
    next
}

# What is owed stays, to the end of that comment.
put && !in_comment { next }
in_comment && /\*\// { in_comment = 0 }

{ say($0) }

END {
    if (failed)
        exit failed
    if (block != "")
        wrong("block " block " has no end")
    if (held != "")
        print held
}

# One line late: a " *" that ends up before a paragraph that goes is not printed.
function say(line) {
    if (held != "")
        print held == "\n" ? "" : held
    held = line == "" ? "\n" : line
}

function wrong(what) {
    print FILENAME ":" FNR ": " what > "/dev/stderr"
    failed = 1
    exit failed
}
