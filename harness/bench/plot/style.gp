# style.gp - what the charts have in common; it is read before each of them.
#
#   cd results/latest
#   cat PLOT/style.gp PLOT/latency.gp |
#       gnuplot -c /proc/self/fd/0 CHART svg|png BASELINES SMALL-PRINT
#
# draws CHART.svg of the files in the directory, as `ipcbench report` does.
# BASELINES are the mechanisms, by name, whose two sides are one process;
# SMALL-PRINT stands below the chart, line by line: why what is missing was not
# measured; and the machine.
#
# A script goes over summary.csv to find what it shows, in lists of words; sets
# width and height in pixels, and title; begins (`eval begin`), says which values
# stand where (`spot`), and ends (`eval finish`).  All values are in the units of
# the axes: seconds, bytes, bytes per second.

chart = ARG1
png = ARG2 eq 'png'
baselines = ARG3
small_print = ARG4

set datafile separator comma
set datafile columnheaders
set datafile missing NaN

# -- colours and shapes --------------------------------------------------------

# Okabe and Ito's, which the colour-blind tell apart; and whatever differs in
# colour differs in shape, too (all of gnuplot's: its command `test`).
colours = '#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #000000'
black = '#000000'
grey = '#555555' # words within a panel
pale = '#d0d0d0' # the others' curves
shapes = '7 9 5 13 11 15'
colour(i) = word(colours, (i - 1) % 7 + 1)
shape(i) = int(word(shapes, (i - 1) % 6 + 1))

# A placement looks the same in all charts; the steadiest comes first.
known = 'one-cpu two-cpu-awake two-cpu free'
style(p) = has(known, p) ? at(known, p) : words(known) + 1

# -- lists of words ------------------------------------------------------------

has(list, w) = strstrt(' '.list.' ', ' '.w.' ') > 0
with(list, w) = w eq '' || has(list, w) ? list : list.' '.w
at(list, w) = words(substr(' '.list.' ', 1, strstrt(' '.list.' ', ' '.w.' '))) + 1

# A word as a number: gnuplot takes 5.0e-06 for one, and 5e-06 not.
number(s) = strstrt(s, 'e') > 0 && strstrt(s, '.') == 0 \
            ? (s[1:strstrt(s, 'e') - 1].'.0'.s[strstrt(s, 'e'):*]) + 0 : s + 0

# names, the smallest key[] first
sort = "sorted = ''; \
do for [i = 1:words(names)] { \
    least = 1; \
    do for [j = 2:words(names)] { if (key[j] < key[least]) { least = j } }; \
    sorted = with(sorted, word(names, least)); \
    key[least] = 2e300 \
}; \
names = sorted"
unknown = 1e300 # the key of what comes last

min(a, b) = b < a ? b : a
max(a, b) = b > a ? b : a

# -- what was measured ---------------------------------------------------------

is_floor(m) = m[1:6] eq 'floor/'
label(m) = m.(has(baselines, m) ? ' (baseline)' : '')

# As the label of a tic, in which % is the beginning of a format.
tic(s) = strstrt(s, '%') == 0 ? s \
         : s[1:strstrt(s, '%') - 1].'%%'.tic(s[strstrt(s, '%') + 1:*])

# Is this line of summary.csv of that kind, and not the second of the A/A pair?
is(k) = strcol('kind') eq k && column('used') > 0 && column('copy') == 0

# `stats` goes over the lines: what it is given is only looked at for what it
# does on the way.
seen = ''
see(p) = (seen = with(seen, p), 0)
find_placements = "\
stats 'summary.csv' using (see(strcol('placement'))) nooutput; \
placements = ''; \
do for [p in known.' '.seen] { if (has(seen, p)) { placements = with(placements, p) } }"

# All that something of kind k was measured of.
names = ''
name(k) = (strcol('kind') eq k && column('used') > 0 && \
           !is_floor(strcol('mechanism')) \
           ? names = with(names, strcol('mechanism')) : 0, 0)

# -- the file ------------------------------------------------------------------

# Pixels that the small print takes, beside its last line.
small = 0
rest = small_print
while (strstrt(rest, "\n") > 0) {
    small = small + 15
    rest = substr(rest, strstrt(rest, "\n") + 1, strlen(rest))
}

points = png ? 10 : 13 # of the letters
begin = "\
if (png) { \
    set terminal pngcairo size width,height font sprintf('Sans,%g', points) background 'white' noenhanced \
} else { \
    set terminal svg size width,height font sprintf('sans-serif,%g', points) background 'white' noenhanced \
}; \
set output chart.(png ? '.png' : '.svg'); \
set label title at screen 0.5, screen 1 offset character 0, -1.2 center; \
rest = small_print; \
y = small + 8; \
while (rest ne '') { \
    cut = strstrt(rest, \"\\n\") > 0 ? strstrt(rest, \"\\n\") : strlen(rest) + 1; \
    set label substr(rest, 1, cut - 1) at screen 0.01, screen 1.0 * y / height \
        left font (png ? ',8' : ',10') textcolor rgb '#666666'; \
    rest = substr(rest, cut + 1, strlen(rest)); \
    y = y - 15 \
}"

# -- values under the pointer ---------------------------------------------------

# What the page shows while the pointer is there: at LEFT TOP WIDTH HEIGHT, in
# percent of the picture, which values stand there, with '; ' between the lines.
# It is kept in the SVG itself, as comments behind its end, where two hyphens may
# not stand.  `eval finish` is the last line of a script.
spots = ''
plain(s) = strstrt(s, '--') == 0 ? s \
           : s[1:strstrt(s, '--')].' '.plain(s[strstrt(s, '--') + 1:*])
line(s) = strstrt(s, "\n") == 0 ? s \
          : s[1:strstrt(s, "\n") - 1].' '.line(s[strstrt(s, "\n") + 1:*])
spot(left, top, w, h, says) = \
    (spots = spots.sprintf('<!%s at %.2f %.2f %.2f %.2f: ', '--', 100.0 * left / width, \
                           100.0 * top / height, 100.0 * w / width, 100.0 * h / height) \
                           .plain(line(says)).' '.'-->'."\n", 0)
# A number and its unit: 5.04 us, 37.7 GB/s.
amount(v, unit) = v != v ? '-' : v >= 1e9 ? sprintf('%.3g G%s', v / 1e9, unit) \
                 : v >= 1e6 ? sprintf('%.3g M%s', v / 1e6, unit) \
                 : v >= 1e3 ? sprintf('%.3g k%s', v / 1e3, unit) \
                 : v >= 1 ? sprintf('%.3g %s', v, unit) \
                 : v >= 1e-3 ? sprintf('%.3g m%s', v * 1e3, unit) \
                 : v >= 1e-6 ? sprintf('%.3g u%s', v * 1e6, unit) \
                 : sprintf('%.3g n%s', v * 1e9, unit)
finish = "unset output; \
if (!png && spots ne '') { set print chart.'.svg' append; print spots; unset print }"

# -- several panels ------------------------------------------------------------

# The last panel of a multiplot has no axes: it is the key of all.
key_panel = "\
set title ''; \
unset border; \
unset tics; \
unset grid; \
set key inside center center Left reverse"
