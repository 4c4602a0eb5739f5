# isolate.gp - which mechanism gets through which namespace (isolate.csv), as a
# grid of coloured cells.
#
#                     client inside          server inside
#                     ipc net mnt ...        ipc net mnt ...
#      fifo/perclient [ ] [ ] [ ]            [ ] [ ] [ ]
#
# Each shade is darker than the one before it, so that the picture says the same in
# grey; and in each cell stands its word.  Coordinates are pixels from the top left.

cell_width = 62 # "refused"
cell_height = 20
left = 150 # of the first block: names
gap = 18   # between the blocks
top = 96

# The namespaces; with 'none' for comparison, which the tables have.
forms = ''
cell(m, form) = (names = with(names, m), forms = form eq 'none' ? forms : with(forms, form), 0)
stats 'isolate.csv' using (cell(strcol('mechanism'), strcol('namespace'))) nooutput
n = words(names)
across = words(forms) * cell_width

# Okabe and Ito's, from light to dark; what is written on them, and what it means.
fills = '0xf4f4ec 0xb5dcf3 0xe69f00 0x7a2e00 0xffffff'
inks = '0x000000 0x000000 0x000000 0xffffff 0x777777'
array says[5] = ['gets through, identity as it is', 'gets through, identity translated', \
                 'gets through, identity lost', 'does not get through', 'not to be had here']
lost(how) = how eq 'lost' || how eq 'wrong'
either(how) = strcol('pid') eq how || strcol('uid') eq how
shade(l) = strcol('result') eq 'not run' ? 5 : strcol('result') eq 'refused' ? 4 \
           : either('lost') || either('wrong') ? 3 : either('translated') ? 2 : 1
shown(l) = strcol('namespace') ne 'none'
surprise(l) = strcol('verdict') eq 'FINDING'

x(l) = left + (strcol('inside') eq 'server' ? across + gap : 0) + \
       cell_width * (at(forms, strcol('namespace')) - 1)
y(l) = top + cell_height * (at(names, strcol('mechanism')) - 1)

# -- the frame -----------------------------------------------------------------

width = left + 2 * across + gap + 12
height = top + cell_height * n + 92
points = png ? 8.5 : 11.5
title = 'Which mechanism gets through when client and server do not share a namespace?'
eval begin
unset border
unset tics
unset key
set margins 0,0,0,0
set xrange [0:width]
set yrange [height:0]
do for [j = 0:1] {
    at_x = left + j * (across + gap)
    set label 'the '.word('client server', j + 1).' in a new namespace, the ' \
        .word('server client', j + 1).' outside' at first at_x + across / 2, first 52 center
    do for [form in forms] {
        set label form at first at_x + (at(forms, form) - 0.5) * cell_width, first top - 14 center
    }
}
do for [m in names] {
    set label m at first left - 8, first top + (at(names, m) - 0.5) * cell_height right
}

# The key.
below = top + cell_height * n + 14
do for [i = 1:5] {
    at_x = left + 255 * (i - 1)
    set object rectangle from first at_x, first below to first at_x + 20, first below + 16 \
        fillcolor rgb int(word(fills, i)) fillstyle solid border linecolor rgb '#999999'
    set label says[i] at first at_x + 26, first below + 8 left
}
set label 'mnt+fs: empty file systems over the run directory and /dev/shm    ' \
    .'user+nr: the user has another number inside    *: not as expected' \
    at first left, first below + 30 left textcolor rgb '#444444'

# -- the cells -----------------------------------------------------------------

# Filled; framed; and the word.
box = "using (shown(0) ? x(0) : NaN):(y(0)):(x(0) + 1):(x(0) + cell_width - 1) \
             :(y(0) + 1):(y(0) + cell_height - 1)"
plot 'isolate.csv' @box:(int(word(fills, shade(0)))) with boxxyerror \
         linecolor rgb variable fillstyle solid noborder, \
     '' @box:(surprise(0) ? 0xff0000 : 0x999999) with boxxyerror \
         linecolor rgb variable fillstyle empty border, \
     '' using (shown(0) ? x(0) + cell_width / 2 : NaN):(y(0) + cell_height / 2) \
         :(strcol('word').(surprise(0) ? '*' : '')):(int(word(inks, shade(0)))) \
         with labels center textcolor rgb variable
