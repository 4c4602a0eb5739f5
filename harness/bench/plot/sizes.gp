# sizes.gp - small multiples, for round trips (sizes) and for streams by size
# (throughput): one panel per mechanism, all the others in grey behind it, so that
# every panel is a comparison and no line has to be looked up in a key.  They
# share their scales; who would stretch them so that nobody could be told from
# anybody else (signals, a bit each) stands apart, at the end, with its own.

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

# Not column(): a line of which it finds a value missing is left out as a whole,
# from gnuplot 6 on, whatever the expression makes of that.
filled(name) = strcol(name) eq '' ? 0 : number(strcol(name))
fitted(l) = rtt && column('size') == 64 && filled('fit_bytes_per_second') > 0

# The lines shown: size, value; of the cost model a + 2 n / B, which stands with
# those of 64 bytes, a and 2 / B; placement, mechanism.
set table $lines
plot 'summary.csv' using (column('size')):(taken(0)) \
     :(fitted(0) ? filled('fit_ns') / 1e9 : 0) \
     :(fitted(0) ? 2 / filled('fit_bytes_per_second') : 0) \
     :(strcol('placement')):(strcol('mechanism')) with table \
     if (is(kind) && strcol('placement') ne '' && \
         (has(names, strcol('mechanism')) || strcol('mechanism') eq bare))
unset table

# Apart: whoever takes, at its best placement, more than twenty times as long with
# 64 bytes as the one in the middle, or gets less than a tenth of it through.
array small_one[n]
do for [i = 1:n] { small_one[i] = NaN }
better(a, b) = a != a ? b : b != b ? a : rtt ? min(a, b) : max(a, b)
at64(i) = (small_one[i] = better(small_one[i], taken(0)))
stats 'summary.csv' using (is(kind) && column('size') == 64 && has(names, strcol('mechanism')) \
                           ? (at64(at(names, strcol('mechanism'))), 0) : 0) nooutput
array key[n]
do for [i = 1:n] { key[i] = small_one[i] == small_one[i] ? small_one[i] : unknown }
unsorted = names
eval sort
middle = small_one[at(unsorted, word(names, (n + 1) / 2))]
together = alone = ''
do for [m in unsorted] {
    v = small_one[at(unsorted, m)]
    if (v > 0 && (rtt ? v > 20 * middle : v < middle / 10)) { alone = with(alone, m) } else { together = with(together, m) }
}
names = alone eq '' ? together : together eq '' ? alone : together.' '.alone

# What there is to say of each in its panel; and the scale of the others, and of
# each that is apart.
array least[n]
array greatest[n]
array most[n] # bytes
array best[n]
array one_by_one[n] # its messages were sent so
do for [i = 1:n] { least[i] = unknown; greatest[i] = most[i] = best[i] = one_by_one[i] = 0 }
low = unknown
high = 0
extend(i) = (most[i] = max(most[i], column('size')), best[i] = max(best[i], taken(0)), \
             one_by_one[i] = strcol('mode') eq 'one by one', \
             least[i] = min(least[i], taken(0)), greatest[i] = max(greatest[i], taken(0)), \
             has(together, word(names, i)) ? (low = min(low, taken(0)), high = max(high, taken(0))) : 0, 0)
stats 'summary.csv' using (is(kind) && strcol('placement') ne '' && has(names, strcol('mechanism')) \
                           ? extend(at(names, strcol('mechanism'))) : 0) nooutput
ceiling(v) = (low = min(low, v), high = max(high, v), 0)
stats 'summary.csv' using (strcol('kind') eq kind && column('used') > 0 && column('size') >= 64 && \
                           strcol('placement') ne '' && strcol('mechanism') eq bare \
                           ? ceiling(taken(0)) : 0) nooutput

# -- the frame -----------------------------------------------------------------

panels = n + 1 # the last is the key
across = panels <= 3 ? panels : panels <= 8 ? (panels + 1) / 2 : panels <= 16 ? 4 : 5
down = (panels + across - 1) / across
left = 75.0
right = 15.0
top = 60.0
bottom = 60.0 + small
between = 14.0 # panels; and below each
below = 32.0
width = 1080
height = top + 165 * down + bottom
title = rtt ? 'Round trip over the size of the message in bytes: both scales logarithmic, lower is faster' \
            : 'One way: rate over the size of the message in bytes, both scales logarithmic, higher is faster (in words: its best)'
eval begin
set multiplot layout down,across \
    margins screen left / width, 1 - right / width, bottom / height, 1 - top / height \
    spacing screen between / width, below / height
panel = (width - left - right - between * (across - 1)) / across
tall = (height - top - bottom - below * (down - 1)) / down
set logscale xy
set ytics 1e-12, 10
unset mxtics
unset mytics
set tics nomirror textcolor rgb black
set grid linetype 1 linecolor '#eeeeee'
set xrange [40:1700000]
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
    fit = number(word($lines[i], 4))
    if (fit > 0 && !is_floor(curve)) {
        models = with(models, curve)
        a[words(models)] = number(word($lines[i], 3))
        b[words(models)] = fit
    }
}
set print

bytes(n) = n > 1e6 ? sprintf('%.0f MiB', n / 1048576) \
           : int(n) >= 1024 && int(n) % 1024 == 0 ? sprintf('%d KiB', n / 1024) : sprintf('%d B', n)
unit = rtt ? 's' : 'B/s'
floor = has(curves, bare.'|'.word(placements, 1)) ? word(placements, 1) : ''
of(m, p) = strcol(6) eq m && strcol(5) eq p

do for [i = 1:n] {
    m = word(names, i)
    own = has(alone, m)
    set title label(m).(rtt ? '' : ', '.amount(best[i], unit)) offset 0,-0.7 font (png ? ',9' : ',12')
    # In the corner that the curves leave free: why they end early, and what kind
    # of stream it is.
    set label most[i] < largest ? 'up to '.bytes(most[i]) : '' at graph 0.96, graph 0.08 right \
        textcolor rgb grey font (png ? ',9' : ',12')
    set label one_by_one[i] ? 'one by one' : '' at graph 0.96, graph 0.2 right \
        textcolor rgb grey font (png ? ',9' : ',12')
    here = ''
    modelled = ''
    do for [p in placements] {
        if (has(curves, m.'|'.p)) { here = with(here, p) }
        if (has(models, m.'|'.p)) { modelled = with(modelled, p) }
    }
    # The axes are the same in all, and written only on the left and below.
    set border 31 linecolor rgb (own ? colour(2) : black)
    if (own) {
        set yrange [least[i] / 20:greatest[i] * 90]
        set label 'its own scale:' at graph 0.04, graph 0.92 left textcolor rgb colour(2) font (png ? ',9' : ',12')
        do for [j = 1:words(here)] {
            says = ''
            do for [l = 1:lines] {
                if (word($lines[l], 6) eq m && word($lines[l], 5) eq word(here, j)) {
                    says = says.(says eq '' ? '' : ' .. ').amount(number(word($lines[l], 2)), unit)
                }
            }
            set label says at graph 0.04, graph 0.92 - 0.12 * j left \
                textcolor rgb colour(style(word(here, j))) font (png ? ',9' : ',12')
        }
        set format y ''
    } else {
        set yrange [low * 0.7:high * 1.5]
        set format y ((i - 1) % across == 0 ? (rtt ? '%.0s %cs' : '%.0s %cB/s') : '')
    }
    if (i + across > n) {
        set xtics ('64' 64, '1K' 1024, '4K' 4096, '64K' 65536, '1M' 1048576)
    } else {
        set xtics ('' 64, '' 1024, '' 4096, '' 65536, '' 1048576)
    }
    plot for [j = 1:!own] $all using 1:2 with lines linecolor rgb pale notitle, \
         for [j = 1:!own * words(floor)] $lines using (of(bare, floor) ? $1 : NaN):2 with lines dashtype 2 linecolor rgb black notitle, \
         for [p in modelled] a[at(models, m.'|'.p)] + x * b[at(models, m.'|'.p)] with lines \
             dashtype 3 linewidth 1.2 linecolor rgb colour(style(p)) notitle, \
         for [j = 1:words(here)] $lines using (of(m, word(here, j)) ? $1 : NaN):2 with linespoints \
             pointtype shape(style(word(here, j))) pointsize 0.9 linewidth 1.5 \
             linecolor rgb colour(style(word(here, j))) notitle
    unset label

    # All its values, wherever in the panel.
    says = label(m)
    do for [p in here] {
        says = says.'; '.p.':'
        do for [l = 1:lines] {
            if (word($lines[l], 6) eq m && word($lines[l], 5) eq p) {
                says = says.sprintf('%s %s: %s', says[strlen(says):*] eq ':' ? '' : ',', bytes(number(word($lines[l], 1))), amount(number(word($lines[l], 2)), unit))
            }
        }
    }
    nothing = spot(left + (panel + between) * ((i - 1) % across), \
                   top + (tall + below) * int((i - 1) / across), panel, tall, says)
}
set border 31 linecolor rgb black

eval key_panel
plot for [p in placements] NaN with linespoints pointtype shape(style(p)) \
         linewidth 1.5 linecolor rgb colour(style(p)) title p, \
     NaN with lines dashtype 2 linecolor rgb black \
         title (rtt ? 'floor: a bare pipe, ' : 'ceiling: memcpy, ').word(placements, 1), \
     NaN with lines dashtype 3 linewidth 1.2 linecolor rgb black \
         title (rtt ? 'model: a + 2 n / B' : ''), \
     NaN with lines linecolor rgb pale title 'all the others'
unset multiplot
eval finish
