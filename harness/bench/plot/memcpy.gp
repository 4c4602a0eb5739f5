# memcpy.gp - bytes per second as a part of what memcpy does with the same
# messages in the same round: a dot plot, the nearest on top.  The scale is
# logarithmic, from a thousandth to all of it; what does not reach a thousandth
# stands at its edge.

large = 65536 # bytes; or what the mechanism carries at most
eval find_placements
k = words(placements)

# Streams up to that size that have something to be compared with.
stream(l) = is('stream') && column('size') <= large && column('ratio') >= 0 && \
            !is_floor(strcol('mechanism'))

stats 'summary.csv' using (stream(0) ? name('stream') : 0) nooutput
if (names eq '') { exit }
n = words(names)

# -- what there is to see ------------------------------------------------------

# By name and placement: the largest such size, and its ratio and rate.
array size[n * k]
array ratio[n * k]
array rate[n * k]
do for [i = 1:n * k] { size[i] = ratio[i] = rate[i] = 0 }
keep(i) = column('size') > size[i] ? (size[i] = column('size'), ratio[i] = column('ratio'), \
                                      rate[i] = column('bytes_per_second'), 0) : 0
cell(m, p) = n * (at(placements, p) - 1) + at(names, m)
stats 'summary.csv' using (stream(0) ? keep(cell(strcol('mechanism'), strcol('placement'))) : 0) nooutput

array key[n]
array carries[n]
do for [i = 1:n] {
    key[i] = carries[i] = 0
    do for [j = k:1:-1] {
        c = n * (j - 1) + i
        key[i] = min(key[i], -ratio[c])
        if (size[c] > 0) { carries[i] = size[c] }
    }
}
longest = 1
do for [i = 1:n] { longest = max(longest, -key[i]) }
unsorted = names
eval sort

# The dots: where, which row and which placement's.
least = 0.001
set print $dots
do for [i = 1:n] {
    do for [j = 1:k] {
        c = n * (j - 1) + at(unsorted, word(names, i))
        if (size[c] > 0) { print max(ratio[c], least), i - 1.18 + 0.36 * (j - 0.5) / k, j }
    }
}
set print

# -- the frame -----------------------------------------------------------------

top = 84.0
bottom = 74.0 + small
rows = max(n, 3) # the frame needs three rows
pitch = min(24, max(15, int((650 - top - bottom) / rows)))
width = 1080
height = top + pitch * rows + bottom
title = "One way, messages of 64 KiB (or as said): bytes per second as a part of memcpy's"
eval begin
set key at screen 0.5, screen 1 - 28.0 / height center top Left reverse horizontal
set border 1
set tics nomirror
set grid xtics ytics linetype 1 linecolor rgb '#e0e0e0'
set logscale x
set xlabel 'logarithmic scale; further right is faster'
set xrange [least / 1.3:longest * 1.3]
set xtics ('1/1000 or less' 0.001, '1/100' 0.01, '1/10' 0.1, '1/2' 0.5, 'memcpy' 1)
set yrange [rows - 0.5:-0.5]
set lmargin at screen 0.22
set rmargin at screen 0.975 - 0.08 * k
set tmargin at screen 1 - top / height
set bmargin at screen bottom / height
set arrow from 1, graph 0 to 1, graph 1 nohead dashtype 2 linecolor rgb black back
set arrow from 0.5, graph 0 to 0.5, graph 1 nohead dashtype 3 linecolor rgb grey back
set ytics scale 0 ()
set label 'percent of memcpy' at screen 0.99, screen 1 - (top - 36) / height right
percent(r) = r >= 0.0995 ? sprintf('%.0f', 100 * r) : r >= 0.00995 ? sprintf('%.1f', 100 * r) \
             : r >= 0.000995 ? sprintf('%.2f', 100 * r) : sprintf('%.1g', 100 * r)
do for [j = 1:k] {
    s = style(word(placements, j))
    set label '' at screen 0.975 - 0.08 * (k - j), screen 1 - (top - 14) / height \
        point pointtype shape(s) pointsize 1.1 linecolor rgb colour(s)
}
do for [i = 1:n] {
    m = word(names, i)
    c = carries[at(unsorted, m)]
    says = label(m).', one way'
    set ytics add (tic(label(m).(c < large ? sprintf(', %d B', c) : '')) i - 1)
    do for [j = 1:k] {
        c = n * (j - 1) + at(unsorted, m)
        if (size[c] > 0) {
            set label percent(ratio[c]) at screen 0.985 - 0.08 * (k - j), first i - 1 right \
                textcolor rgb colour(style(word(placements, j)))
            says = says.sprintf('; %s: %s, %s %% of memcpy, messages of %d B', word(placements, j), \
                                amount(rate[c], 'B/s'), percent(ratio[c]), size[c])
        }
    }
    nothing = spot(0, top + pitch * (i - 1), width, pitch, says)
}

set datafile separator whitespace
set datafile nocolumnheaders
drawn = ''
do for [i = 1:|$dots|] { drawn = with(drawn, word(placements, int(word($dots[i], 3)))) }
plot for [p in drawn] $dots using (at(placements, p) == $3 ? $1 : NaN):2 with points \
         pointtype shape(style(p)) pointsize 1.1 linewidth 1.5 linecolor rgb colour(style(p)) title p
eval finish
