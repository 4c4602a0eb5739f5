# tails.gp - whole distributions: the time over how rare it is, of all round trips
# (tails) and of those to a server that stalls (load).
#
#      us |                    ____/   the axis is 1 / (1 - p): each 9 of a
#         |           ________/        percentile takes as much room as the
#         |__________/                 one before, and the tail, which a
#         +-----+-----+-----+----      histogram hides, is the picture
#           0   90   99   99.9
#
# At most six curves a panel, because more of them nobody can tell apart; and two
# panels.

load_kind = chart eq 'load'
kind = load_kind ? 'load' : 'rtt'
enough = 89 # a curve that does not get to this percentile is none

# One of each kind of mechanism, when there are more than six; each with a colour
# of its own.  Of a load, the three ways to measure it.
preferred = load_kind ? 'due sent closed' \
    : 'shm/spin shm/futex pipe/coprocess msgq/posix sem/mailbox socket/seqpacket socket/tcp'
colours_of = load_kind ? '6 1 2' : '1 2 3 4 5 6 7'
called(s) = s eq 'due' ? '5000/s, from when due' : s eq 'sent' ? '5000/s, from sending' \
          : s eq 'closed' ? 'closed loop' : s

# -- what there is to see ------------------------------------------------------

# A series is a mechanism; of a load, one of its modes, of the first mechanism.
of = ''
first(m) = (of = of eq '' ? m : of, of eq m)
series(l) = load_kind ? strcol('mode') : strcol('mechanism')
belongs(l) = strcol('kind') eq kind && column('size') == 64 && \
             strcol('mechanism')[1:5] ne 'null/' && !is_floor(strcol('mechanism')) && \
             (!load_kind || first(strcol('mechanism')))
rarity(percentile) = 100 / (100 - percentile)

eval find_placements
curves = ''
curve(c) = (curves = with(curves, c), 0)
stats 'percentiles.csv' using (belongs(0) && column('percentile') > enough \
                               ? curve(series(0).'|'.strcol('placement')) : 0) nooutput
if (curves eq '') { exit }

# The medians, and how often a loop that does nothing is interrupted, per second.
array median[words(curves)]
do for [i = 1:words(curves)] { median[i] = NaN }
rate = 0
keep(c) = has(curves, c) ? (median[at(curves, c)] = column('p50_ns') / 1e9, 0) : 0
stats 'summary.csv' using (belongs(0) && column('used') > 0 && column('copy') == 0 \
                           ? keep(series(0).'|'.strcol('placement')) : 0) nooutput
stats 'summary.csv' using (strcol('kind') eq 'gaps' && column('used') > 0 \
                           ? (rate = column('per_second'), 0) : 0) nooutput

panels = ''
do for [p in placements] {
    if (words(panels) < 2 && strstrt(curves.' ', '|'.p.' ') > 0) { panels = with(panels, p) }
}
all = preferred
do for [c in curves] { all = with(all, c[1:strstrt(c, '|') - 1]) }
chosen = ''
do for [p in panels] {
    n = 0
    do for [s in all] {
        if (n < 6 && has(curves, s.'|'.p)) {
            chosen = with(chosen, s.'|'.p)
            n = n + 1
        }
    }
}

# Points: series, placement, how rare, seconds.
set table $points
plot 'percentiles.csv' using (series(0)):(strcol('placement')) \
     :(rarity(column('percentile'))):(column('ns') / 1e9) with table \
     if (belongs(0) && has(chosen, series(0).'|'.strcol('placement')))
unset table
set datafile separator whitespace
set datafile nocolumnheaders

# -- the frame -----------------------------------------------------------------

panel = 330.0 # pixels, with its title
label_height = 17.0
top = 60.0
width = 900
height = top + (panel + 35) * words(panels) + 70 + small
title = load_kind ? 'A server that stalls 10 ms in every 200 ms, seen by three ways of measuring' \
                  : 'Round trip of 64 bytes: the time that a part of all stays below, all rounds together'
eval begin
set multiplot
set lmargin at screen 0.09
set rmargin at screen 0.76
set label "circles: from there on a time is as rare as this machine's interruptions (timer, hypervisor)" \
    at screen 0.09, screen (45 + small) / height textcolor rgb '#444444'
set label 'percentile' at screen 0.42, screen (65.0 + small) / height center
set logscale xy
set xtics ('0' 1, '50' 2, '90' 10, '99' 100, '99.9' 1000, '99.99' 1e4, '99.999' 1e5, '99.9999' 1e6)
set ytics 1e-12, 10
set format y '%.0s %cs'
unset mytics
set tics nomirror
set border 3
set grid linetype 1 linecolor rgb '#e0e0e0'

# -- panels --------------------------------------------------------------------

array ends[6] # of the curve, s
array style_of[6]
array key[6]
array at_y[6] # where its label stands
array circle[6]
do for [j = 1:words(panels)] {
    p = word(panels, j)
    shown = ''
    do for [s in all] {
        if (has(chosen, s.'|'.p)) { shown = with(shown, s) }
    }
    n = words(shown)

    # The same series looks the same in every panel; what is not among the
    # preferred takes what is left over.
    taken = ''
    do for [i = 1:n] {
        s = word(shown, i)
        c = 0
        if (has(preferred, s)) {
            c = int(word(colours_of, at(preferred, s)))
        } else {
            do for [free = 6:1:-1] { if (!has(taken, ''.free)) { c = free } }
        }
        taken = with(taken, ''.c)
        style_of[i] = c
    }

    # Where each curve begins and ends, and where its times are as rare as the
    # interruptions: what is to the right of that is the machine's.
    low = unknown
    high = 0
    rarest = 10
    do for [i = 1:n] { circle[i] = NaN }
    before = ''
    do for [l = 1:|$points|] {
        s = word($points[l], 1)
        x = number(word($points[l], 3))
        y = number(word($points[l], 4))
        i = word($points[l], 2) eq p && has(shown, s) ? at(shown, s) : 0
        if (i > 0) {
            rare = rate > 0 ? 1 / (median[at(curves, s.'|'.p)] * rate) : 0
            if (before eq s && last_x < rare && rare <= x) {
                circle[i] = last_y + (y - last_y) * (rare - last_x) / (x - last_x)
            }
            ends[i] = y
            low = min(low, y)
            high = max(high, y)
            rarest = max(rarest, x)
            last_x = x
            last_y = y
        }
        before = i > 0 ? s : ''
    }
    low = low / 1.5
    high = high * 2
    set xrange [1:rarest]
    set yrange [low:high]

    # Labels stand at the end of their curves, but never on each other: from the
    # lowest upwards each is a line above the last; then, if that went over the
    # top, the same downwards.
    apart = (high / low)**(label_height / (panel - 40))
    do for [i = 1:n] { key[i] = ends[i] }
    names = shown
    eval sort
    least = low * apart
    do for [i = 1:n] {
        at_y[i] = max(ends[at(shown, word(names, i))], least)
        least = at_y[i] * apart
    }
    most = high
    do for [i = n:1:-1] {
        at_y[i] = min(at_y[i], most)
        most = at_y[i] / apart
        c = style_of[at(shown, word(names, i))]
        set label called(word(names, i)) at graph 1.03, first at_y[i] left \
            textcolor rgb colour(c) point pointtype shape(c) pointsize 0.9 \
            linecolor rgb colour(c) offset 0.6,0
    }

    # The percentiles with names, wherever in the panel.
    says = p
    do for [s in shown] {
        says = says.'; '.called(s).':'
        do for [percentile in '50 90 99 99.9'] {
            y = NaN
            do for [l = 1:|$points|] {
                if (y != y && word($points[l], 1) eq s && word($points[l], 2) eq p && \
                    number(word($points[l], 3)) * 1.0001 >= rarity(percentile + 0)) { y = number(word($points[l], 4)) }
            }
            if (y == y) { says = says.(says[strlen(says):*] eq ':' ? ' ' : ', ').percentile.' % within '.amount(y, 's') }
        }
    }
    nothing = spot(0, top + (panel + 35) * (j - 1), width, panel + 35, says)

    do for [i = 1:n] {
        if (circle[i] == circle[i]) {
            x = 1 / (median[at(curves, word(shown, i).'|'.p)] * rate)
            set label '' at first x, first circle[i] front point pointtype 6 pointsize 2.2 \
                linewidth 2 linecolor rgb black
        }
    }
    set tmargin at screen 1 - (top + (panel + 35) * (j - 1) + 20) / height
    set bmargin at screen 1 - (top + (panel + 35) * (j - 1) + panel) / height
    set title p offset 0,-0.5
    plot for [i = 1:n] $points using (strcol(1) eq word(shown, i) && strcol(2) eq p ? $3 : NaN):4 \
             with linespoints pointtype shape(style_of[i]) pointinterval 6 pointsize 0.9 \
             linewidth 1.8 linecolor rgb colour(style_of[i]) notitle
    unset label
}
unset multiplot
eval finish
