# latency.gp - the dot plot: one row per mechanism, the fastest on top, one
# marker per placement, its interval as a bar, the floor as a dashed line.

eval find_placements
stats 'summary.csv' using (name('rtt')) nooutput
if (names eq '') { exit }
n = words(names)
k = words(placements)

# Round trips of 64 bytes; and those at placement p.
trip(size) = is('rtt') && column('size') == size
trip_at(p) = trip(64) && strcol('placement') eq p
us(member) = column(member) / 1e3

# -- what there is to see ------------------------------------------------------

# Times by name and placement, floors by placement, in us.  A row is sorted by
# its time at the first placement that was measured, which is what stands beside
# it.
array time[n * k]
array floor[k]
array key[n]
do for [i = 1:n * k] { time[i] = NaN }
do for [j = 1:k] { floor[j] = NaN }
do for [i = 1:n] { key[i] = unknown }
keep(m, j) = has(names, m) ? (time[n * (j - 1) + at(names, m)] = us('p50_ns'), \
                              key[at(names, m)] = us('p50_ns')) \
             : m eq 'floor/pipe' ? floor[j] = us('p50_ns') : 0
do for [j = k:1:-1] {
    stats 'summary.csv' using (trip_at(word(placements, j)) \
                               ? (keep(strcol('mechanism'), j), 0) : 0) nooutput
}
unsorted = names
eval sort
time_of(m, j) = time[n * (j - 1) + at(unsorted, m)]

# From the fastest to the slowest, intervals included; and how many rounds.
low = unknown
high = 0
rounds = 0
array least[n * k]
array most[n * k]
range(m, j) = has(unsorted, m) ? (least[n * (j - 1) + at(unsorted, m)] = us('p50_lo_ns'), \
                                  most[n * (j - 1) + at(unsorted, m)] = us('p50_hi_ns')) : 0
limits(l) = (low = min(low, us('p50_lo_ns')), high = max(high, us('p50_hi_ns')), \
            range(strcol('mechanism'), at(placements, strcol('placement'))), \
            rounds = max(rounds, column('used') + column('failed') + \
                         (strcol('status') eq 'ok' ? column('rejected') : 0)), 0)
stats 'summary.csv' using (trip(64) ? limits(0) : 0) nooutput

# -- the frame -----------------------------------------------------------------

# As low as it can be read, so that all of it is on a screen at once.
top = 50.0 + 17 * k
bottom = 74.0 + small
rows = max(n, 3) # one row has no room for its own frame
pitch = min(24, max(14, int((622 - top - bottom) / rows)))
width = 1080
height = top + pitch * rows + bottom
title = sprintf('Round trip of 64 bytes: median of %d rounds, and the bar its 95 %% interval', rounds)
eval begin
set key at screen 0.42, screen 1 - 28.0 / height center top Left reverse vertical maxrows k
set logscale x
set xlabel 'logarithmic scale; further left is faster'
set grid xtics ytics linetype 1 linecolor '#e0e0e0'
set border 1
set tics nomirror
set bmargin at screen 1.0 * bottom / height
set tmargin at screen 1 - 1.0 * top / height
set lmargin at screen 0.17
set rmargin at screen 0.975 - 0.06 * k
set xtics 1e-12, 10
set format x '%.0s %cs'
unset mxtics
if (high > 0) { set xrange [low / 1.5e6:high * 1.5 / 1e6] }
set yrange [rows - 0.5:-0.5]
set ytics scale 0 ()
do for [i = 1:n] { set ytics add (tic(label(word(names, i))) i - 1) }

# The medians once more, as numbers, in a column for each placement to the right
# of the frame.
digits(us) = us < 1 ? '%.3f' : us < 10 ? '%.2f' : us < 100 ? '%.1f' : '%.0f'
set label 'median, us' at screen 0.99, screen 1 - (top - 36) / height right
do for [j = 1:k] {
    s = style(word(placements, j))
    x = 0.985 - 0.06 * (k - j)
    set label '' at screen x - 0.015, screen 1 - (top - 14) / height \
        point pointtype shape(s) pointsize 1.1 linecolor rgb colour(s)
    do for [i = 1:n] {
        us = time_of(word(names, i), j)
        if (us == us) {
            set label sprintf(digits(us), us) at screen x, first i - 1 right textcolor rgb colour(s)
        }
    }
    if (floor[j] == floor[j]) {
        set arrow from first floor[j] / 1e6, graph 0 to first floor[j] / 1e6, graph 1 \
            nohead dashtype j + 1 linewidth 1.5 linecolor rgb colour(s) back
    }
}

# Side by side within the row, or equal ones would hide each other.
row(j) = at(names, strcol('mechanism')) - 1.18 + 0.36 * (j - 0.5) / k
shown(j) = trip_at(word(placements, j)) && has(names, strcol('mechanism'))
# Other programs (--peer) have hollow marks: the shape before is the same, empty.
peer(j) = shown(j) && strcol('mechanism')[1:5] eq 'peer/'
ours(j) = shown(j) && !peer(j)
plot for [j = 1:k] 'summary.csv' using (ours(j) ? us('p50_ns') / 1e6 : NaN):(row(j)) \
         :(us('p50_lo_ns') / 1e6):(us('p50_hi_ns') / 1e6) with xerrorbars \
         pointtype shape(style(word(placements, j))) pointsize 1.1 linewidth 1.5 \
         linecolor rgb colour(style(word(placements, j))) title word(placements, j), \
     for [j = 1:k] 'summary.csv' using (peer(j) ? us('p50_ns') / 1e6 : NaN):(row(j)) \
         :(us('p50_lo_ns') / 1e6):(us('p50_hi_ns') / 1e6) with xerrorbars \
         pointtype shape(style(word(placements, j))) - 1 pointsize 1.4 linewidth 1.5 \
         linecolor rgb colour(style(word(placements, j))) notitle, \
     for [j = 1:k] NaN with lines dashtype j + 1 linewidth 1.5 \
         linecolor rgb colour(style(word(placements, j))) \
         title floor[j] == floor[j] ? word(placements, j).' floor: a bare pipe' : ''

# A row, from end to end, has the values of all its marks.
do for [i = 1:n] {
    m = word(names, i)
    says = label(m).', 64 B there and back'
    do for [j = 1:k] {
        if (time_of(m, j) == time_of(m, j)) {
            c = n * (j - 1) + at(unsorted, m)
            says = says.'; '.word(placements, j).': '.amount(time_of(m, j) / 1e6, 's') \
                   .', 95 % between '.amount(least[c] / 1e6, 's').' and '.amount(most[c] / 1e6, 's')
        }
    }
    nothing = spot(0, top + pitch * (i - 1), width, pitch, says)
}
eval finish
