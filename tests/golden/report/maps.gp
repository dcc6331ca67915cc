$map1 << END
1 NaN NaN NaN 
0.8 0.2 NaN NaN 
0.7 0.1 0.2 NaN 
0.8 0.002 0.05 0.148 
END
$map2 << END
1 NaN NaN NaN 
0.8 0.2 NaN NaN 
NaN NaN 1 NaN 
0.45 0.002 0.4 0.148 
END
set terminal svg size 1040,446 dynamic noenhanced font 'Sans,13'
set output 'maps.svg'
set encoding utf8
set samples 2
set border 3 lc rgb '#777777'
set tics nomirror out scale 0.6 textcolor lt -1
set format '%g'
set grid ytics lc rgb '#B0B0B0' lw 0.6 dt (1,3)
set key left top vertical maxcols 1 Left reverse samplen 3.2 spacing 1.1
set ylabel offset 0,0
set xlabel offset 0,0.5
set multiplot
unset grid
unset key
set lmargin at screen 0.06730769231
set rmargin at screen 0.3942307692
set tmargin at screen 0.9103139013
set bmargin at screen 0.1479820628
set label 1 'Attention in layer 12, untouched' at graph 0,1 left offset 0,character 0.9 font ':Bold'
set xrange [-0.5:3.5]
set yrange [3.5:-0.5]
set xtics 0,1
set ytics 0,1
set xlabel 'key position'
set ylabel 'query position'
set palette defined (0 '#440154', 1 '#482878', 2 '#3E4989', 3 '#31688E', 4 '#26828E', 5 '#1F9E89', 6 '#35B779', 7 '#6DCD59', 8 '#B4DE2C', 9 '#FDE725')
set logscale cb 10
set cbrange [0.002:1]
set cblabel 'attention probability'
set colorbox vertical user origin screen 0.4076923077,0.1479820628 size screen 0.01346153846,0.7623318386
plot $map1 matrix using ($1+0):($2+0):3 with image notitle
set lmargin at screen 0.5673076923
set rmargin at screen 0.8942307692
set tmargin at screen 0.9103139013
set bmargin at screen 0.1479820628
set label 1 'Attention in layer 12, position 2 masked' at graph 0,1 left offset 0,character 0.9 font ':Bold'
set xrange [-0.5:3.5]
set yrange [3.5:-0.5]
set xtics 0,1
set ytics 0,1
set xlabel 'key position'
set ylabel 'query position'
set palette defined (0 '#440154', 1 '#482878', 2 '#3E4989', 3 '#31688E', 4 '#26828E', 5 '#1F9E89', 6 '#35B779', 7 '#6DCD59', 8 '#B4DE2C', 9 '#FDE725')
set logscale cb 10
set cbrange [0.002:1]
set cblabel 'attention probability'
set colorbox vertical user origin screen 0.9076923077,0.1479820628 size screen 0.01346153846,0.7623318386
plot $map2 matrix using ($1+0):($2+0):3 with image notitle
unset multiplot
unset output
