# clients.gp - several clients at once: the rate (clients), and the 99th
# percentile (clients-p99), over their number; a panel for each mechanism, and
# the bound min(N / R, 1 / D) dashed.

rate = chart eq 'clients'

eval find_placements
stats 'summary.csv' using (name('clients')) nooutput
if (names eq '') { exit }
n = words(names)

# -- what there is to see ------------------------------------------------------

# Thousands a second, or us; and where it is from.
seen_value(l) = rate ? column('per_second') / 1e3 : column('p99_ns') / 1e3
belongs(m, p) = is('clients') && strcol('mechanism') eq m && strcol('placement') eq p && \
                column('predicted') > 0

low = unknown
high = 0
most = 1
curves = ''
limits(v) = (low = min(low, v), high = max(high, v), \
             rate && column('predicted') > 0 ? high = max(high, column('predicted') / 1e3) : 0, \
             most = max(most, column('clients')), 0)
curve(c) = (curves = with(curves, c), 0)
stats 'summary.csv' using (is('clients') && seen_value(0) > 0 ? limits(seen_value(0)) : 0) nooutput
stats 'summary.csv' using (is('clients') && column('predicted') > 0 \
                           ? curve(strcol('mechanism').'|'.strcol('placement')) : 0) nooutput

# All values of a panel, wherever in it the pointer is.
array says[n]
do for [i = 1:n] {
    m = word(names, i)
    says[i] = label(m)
    do for [p in placements] {
        values = ''
        stats 'summary.csv' using (is('clients') && strcol('mechanism') eq m && strcol('placement') eq p \
            ? (values = values.sprintf('%s %d clients: ', values eq '' ? '' : ',', column('clients')) \
                      .(rate ? sprintf('%.3g thousand/s', seen_value(0)) : amount(seen_value(0) / 1e6, 's')), 0) \
            : 0) nooutput
        says[i] = says[i].(values eq '' ? '' : '; '.p.':'.values)
    }
}

# -- the frame -----------------------------------------------------------------

panels = n + 1 # side by side so that few places stay empty; the last is the key
across = panels < 4 ? 3 : panels % 3 == 0 ? 3 : panels % 5 == 0 ? 5 : 4
down = (panels + across - 1) / across
left = 75.0
top = 60.0
bottom = 75.0 + small
right = 15.0
between = 12.0 # panels; and below each
below = 34.0
width = max(left + 225 * across + 20, 800)
height = top + 190 * down + bottom
panel = (width - left - right - between * (across - 1)) / across
tall = (height - top - bottom - below * (down - 1)) / down
title = rate ? 'Round trips of 64 bytes, thousands/s, by the number of clients at once: higher is faster' \
             : 'Round trip of 64 bytes, 99th percentile in us, by the number of clients at once: lower is faster'
eval begin
set multiplot layout down,across \
    margins screen left / width, 1 - right / width, bottom / height, 1 - top / height \
    spacing screen between / width, below / height
set tics nomirror
set grid linetype 1 linecolor rgb '#eeeeee'
unset mxtics
set xtics (1, 2, 4, 8, 16, 32, 64)
set label 'clients at once' at screen 0.5, screen (38.0 + small) / height center
set logscale x 2
set logscale y 10
set xrange [0.85:most * 1.2]
set yrange [low / 1.5:high * 1.5]

# -- panels --------------------------------------------------------------------

do for [i = 1:n] {
    m = word(names, i)
    set title label(m) offset 0,-0.6
    set format x (i + across > n ? '%g' : '')
    set format y ((i - 1) % across == 0 ? '%g' : '')
    here = ''
    do for [p in placements] { if (has(curves, m.'|'.p)) { here = with(here, p) } }
    plot for [j = 1:rate * words(here)] 'summary.csv' \
             using (belongs(m, word(here, j)) ? column('clients') : NaN):(column('predicted') / 1e3) \
             with lines dashtype 2 linewidth 1.5 linecolor rgb colour(style(word(here, j))) notitle, \
         for [j = 1:words(here)] 'summary.csv' \
             using (belongs(m, word(here, j)) ? column('clients') : NaN):(seen_value(0)) \
             with linespoints pointtype shape(style(word(here, j))) pointsize 0.9 linewidth 1.5 \
             linecolor rgb colour(style(word(here, j))) notitle
    unset label

    nothing = spot(left + (panel + between) * ((i - 1) % across), \
                   top + (tall + below) * int((i - 1) / across), panel, tall, says[i])
}

eval key_panel
plot for [p in placements] NaN with linespoints pointtype shape(style(p)) \
         linewidth 1.5 linecolor rgb colour(style(p)) title p, \
     NaN with lines dashtype 2 linecolor rgb black title (rate ? 'bound: min(N/R, 1/D)' : '')
unset multiplot
eval finish
