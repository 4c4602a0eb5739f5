# memcpy.gp - bytes per second as a part of what memcpy does with the same
# messages in the same round: bars, the longest on top.

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

# By name and placement: the largest such size, which is the bar, and the ratio.
array size[n * k]
array ratio[n * k]
do for [i = 1:n * k] { size[i] = ratio[i] = 0 }
keep(i) = column('size') > size[i] ? (size[i] = column('size'), ratio[i] = column('ratio'), 0) : 0
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

# The bars: from where to where, their length, and which placement's.
set print $bars
do for [i = 1:n] {
    do for [j = 1:k] {
        c = n * (j - 1) + at(unsorted, word(names, i))
        thick = 0.8 / k
        upper = i - 1.4 + thick * (j - 1)
        if (size[c] > 0) { print ratio[c], upper, upper + thick * 0.9, j }
    }
}
set print

# -- the frame -----------------------------------------------------------------

top = 85.0
bottom = 75.0 + small
rows = max(n, 3) # the frame needs three rows
width = 900
height = top + rows * (13 * k + 6) + bottom
title = "One way, messages of 64 KiB (or as said): bytes per second as a part of memcpy's"
eval begin
set key at screen 0.5, screen 1 - 38.0 / height center top Left reverse horizontal
set border 1
set tics nomirror
set grid xtics linetype 1 linecolor rgb '#e0e0e0'
set xrange [0:longest * 1.12]
set yrange [rows - 0.4:-0.6]
set style fill solid
set tmargin at screen 1 - top / height
set bmargin at screen bottom / height
set arrow from 1, graph 0 to 1, graph 1 nohead dashtype 2 linecolor rgb black
set ytics scale 0 ()
do for [i = 1:n] {
    m = word(names, i)
    c = carries[at(unsorted, m)]
    set ytics add (tic(label(m).(c < large ? sprintf(', %d B', c) : '')) i - 1)
}

# A bar is a box from 0 to the ratio, and its number stands behind it.
set datafile separator whitespace
set datafile nocolumnheaders
drawn = ''
do for [i = 1:|$bars|] { drawn = with(drawn, word(placements, int(word($bars[i], 4)))) }
plot for [p in drawn] $bars using (0):2:(0):(at(placements, p) == $4 ? $1 : NaN):2:3 \
         with boxxyerror linecolor rgb colour(style(p)) title p, \
     $bars using 1:(($2 + $3) / 2):(sprintf('%.2g', $1)) with labels left offset 0.4,0 \
         font ',8' notitle
