# sizes.gp - small multiples, for round trips (sizes) and for streams by size
# (throughput): one panel per mechanism, all the others in grey behind it, so that
# every panel is a comparison and no line has to be looked up in a key.

rtt = chart eq 'sizes'
kind = rtt ? 'rtt' : 'stream'
bare = rtt ? 'floor/pipe' : 'floor/memcpy'
largest = 1048576 # bytes

eval find_placements
stats 'summary.csv' using (name(kind)) nooutput
if (names eq '') { exit }
n = words(names)
k = words(placements)

# -- what there is to see ------------------------------------------------------

taken(l) = rtt ? column('p50_ns') / 1e9 : column('bytes_per_second')

fitted(l) = rtt && column('size') == 64 && column('fit_bytes_per_second') > 0

# The lines shown: size, value; of the cost model a + 2 n / B, which stands with
# those of 64 bytes, a and 2 / B; placement, mechanism.
set table $lines
plot 'summary.csv' using (column('size')):(taken(0)) \
     :(fitted(0) ? column('fit_ns') / 1e9 : 0) \
     :(fitted(0) ? 2 / column('fit_bytes_per_second') : 0) \
     :(strcol('placement')):(strcol('mechanism')) with table \
     if (is(kind) && strcol('placement') ne '' && \
         (has(names, strcol('mechanism')) || strcol('mechanism') eq bare))
unset table

# For each name the largest size, the best value, and whether its messages were
# sent one by one; and the range of all, in which the floor is.
array most[n]
array best[n]
array one_by_one[n]
do for [i = 1:n] { most[i] = best[i] = one_by_one[i] = 0 }
low = unknown
high = 0
mark(i) = (most[i] = max(most[i], column('size')), best[i] = max(best[i], taken(0)), \
           one_by_one[i] = strcol('mode') eq 'one by one')
limits(m) = (has(names, m) && column('copy') == 0 ? mark(at(names, m)) : 0, \
             column('size') >= 64 ? (low = min(low, taken(0)), \
                                     high = max(high, taken(0))) : 0, 0)
stats 'summary.csv' using (strcol('kind') eq kind && column('used') > 0 && \
                           strcol('placement') ne '' && \
                           (!is_floor(strcol('mechanism')) || strcol('mechanism') eq bare) \
                           ? limits(strcol('mechanism')) : 0) nooutput

# -- the frame -----------------------------------------------------------------

panels = n + 1 # the last is the key
across = panels <= 3 ? panels : panels <= 8 ? (panels + 1) / 2 : 4
down = (panels + across - 1) / across
left = 85.0
top = 60.0
bottom = 75.0 + small
width = max(left + 250 * across + 20, 850)
height = top + 200 * down + bottom
title = rtt ? 'Round trip over the size of the message in bytes: both scales logarithmic, lower is faster' \
            : 'One way: rate over the size of the message in bytes, both scales logarithmic, higher is faster (in words: the best)'
eval begin
set multiplot layout down,across \
    margins screen left / width, 1 - 15.0 / width, bottom / height, 1 - top / height \
    spacing screen 12.0 / width, 32.0 / height
set logscale xy
set ytics 1e-12, 10
unset mxtics
unset mytics
set tics nomirror
set grid linetype 1 linecolor '#eeeeee'
set xrange [40:1700000]
set yrange [low * 0.6:high * 20]
set samples 50

# -- panels --------------------------------------------------------------------

set datafile separator whitespace
set datafile nocolumnheaders

# The curves of all, one after the other: an empty line lifts the pen.  And the
# cost models: "mechanism placement", and a and 2 / B in its place in the arrays.
lines = |$lines|
array a[lines]
array b[lines]
a[1] = b[1] = 0 # looked at where there is no model, too
models = curves = ''
set print $all
before = ''
do for [i = 1:lines] {
    curve = word($lines[i], 6).'|'.word($lines[i], 5)
    if (curve ne before) { print '' }
    before = curve
    curves = with(curves, curve)
    if (!is_floor(curve)) { print word($lines[i], 1).' '.word($lines[i], 2) }
    fit = word($lines[i], 4) + 0
    if (fit > 0 && !is_floor(curve)) {
        models = with(models, curve)
        a[words(models)] = word($lines[i], 3) + 0
        b[words(models)] = fit
    }
}
set print

floor = has(curves, bare.'|'.word(placements, 1)) ? word(placements, 1) : ''
of(m, p) = strcol(6) eq m && strcol(5) eq p
scale(v) = min(max(int(log10(v) / 3), 0), 3)
rate(v) = v > 0 ? sprintf('%.3g %s', v / 1000**scale(v), word('B/s kB/s MB/s GB/s', scale(v) + 1)) : '0'

do for [i = 1:n] {
    m = word(names, i)
    set title label(m).(rtt ? '' : ', '.rate(best[i])) offset 0,-0.6
    # In the corners that the curves leave free: why they end early, and what kind
    # of stream it is.
    if (most[i] < largest) {
        upto = sprintf('carries up to %d B', most[i])
        if (rtt) {
            set label upto at graph 0.04, graph 0.92 left textcolor rgb grey
        } else {
            set label upto at graph 0.96, graph 0.08 right textcolor rgb grey
        }
    }
    if (one_by_one[i]) {
        set label 'one by one, acknowledged' at graph 0.04, graph 0.92 left textcolor rgb grey
    }
    # The axes are the same in all, and written only on the left and below.
    set format y ((i - 1) % across == 0 ? (rtt ? '%.0s %cs' : '%.0s %cB/s') : '')
    if (i + across > n) {
        set xtics ('64' 64, '1K' 1024, '4K' 4096, '64K' 65536, '1M' 1048576)
    } else {
        set xtics ('' 64, '' 1024, '' 4096, '' 65536, '' 1048576)
    }
    here = ''
    modelled = ''
    do for [p in placements] {
        if (has(curves, m.'|'.p)) { here = with(here, p) }
        if (has(models, m.'|'.p)) { modelled = with(modelled, p) }
    }
    plot $all using 1:2 with lines linecolor rgb pale notitle, \
         for [j = 1:words(floor)] $lines using (of(bare, floor) ? $1 : NaN):2 with lines dashtype 2 linecolor rgb black notitle, \
         for [p in modelled] a[at(models, m.'|'.p)] + x * b[at(models, m.'|'.p)] with lines \
             dashtype 3 linewidth 1.2 linecolor rgb colour(style(p)) notitle, \
         for [j = 1:words(here)] $lines using (of(m, word(here, j)) ? $1 : NaN):2 with linespoints \
             pointtype shape(style(word(here, j))) pointsize 0.9 linewidth 1.5 \
             linecolor rgb colour(style(word(here, j))) notitle
    unset label
}

eval key_panel
plot for [p in placements] NaN with linespoints pointtype shape(style(p)) \
         linewidth 1.5 linecolor rgb colour(style(p)) title p, \
     NaN with lines dashtype 2 linecolor rgb black \
         title (rtt ? 'floor: a bare pipe, ' : 'ceiling: memcpy, ').word(placements, 1), \
     NaN with lines dashtype 3 linewidth 1.2 linecolor rgb black \
         title (rtt ? 'model: a + 2 n / B' : ''), \
     NaN with lines linecolor rgb pale title 'all the others'
unset multiplot
