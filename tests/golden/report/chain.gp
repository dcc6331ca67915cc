$line1_1 << END
1 12.72308006
2 13.51099741
3 14.54305282
4 17.41283464
5 36.40939551
6 194.8781757
7 1266.743035
8 3770.426705
9 4842.417801
10 5001.139484
11 5020.516472
12 5023.895497
13 5025.567342
14 5027.127767
15 5028.758357
16 5030.484182
17 5032.313269
18 5034.252069
19 5036.307194
20 5038.485626
21 5040.794763
22 5043.242449
23 5045.836996
24 5048.587216
25 5051.502449
26 5054.592596
27 5057.868151
28 5061.34024
29 5065.020655
30 318.9218941
END
$band1_1 << END
1 11.19631045 14.24984966
2 11.88967772 15.1323171
3 12.79788648 16.28821916
4 15.32329448 19.50237479
5 32.04026805 40.77852297
6 171.4927946 218.2635568
7 1114.733871 1418.752199
8 3317.9755 4222.877909
9 4261.327665 5423.507937
10 4401.002746 5601.276222
11 4418.054495 5622.978448
12 4421.028037 5626.762956
13 4422.499261 5628.635423
14 4423.872435 5630.3831
15 4425.307354 5632.20936
16 4426.826081 5634.142284
17 4428.435677 5636.190862
18 4430.141821 5638.362318
19 4431.950331 5640.664057
20 4433.867351 5643.103901
21 4435.899392 5645.690135
22 4438.053355 5648.431543
23 4440.336556 5651.337435
24 4442.75675 5654.417682
25 4445.322155 5657.682742
26 4448.041484 5661.143707
27 4450.923973 5664.812329
28 4453.979412 5668.701069
29 4457.218176 5672.823133
30 280.6512668 357.1925214
END
$line1_2 << END
1 10.9
2 11.881
3 12.95029
4 14.1158161
5 15.38623955
6 16.77100111
7 18.28039121
8 19.92562642
9 21.71893279
10 23.67363675
11 25.80426405
12 28.12664782
13 30.65804612
14 33.41727027
15 36.4248246
16 39.70305881
17 43.2763341
18 47.17120417
19 51.41661255
20 56.04410768
21 61.08807737
22 66.58600433
23 72.57874472
24 79.11083175
25 86.2308066
26 93.9915792
27 102.4508213
28 111.6713952
29 121.7218208
30 132.6767847
END
$band1_2 << END
1 10.573 11.227
2 11.52457 12.23743
3 12.5617813 13.3387987
4 13.69234162 14.53929058
5 14.92465236 15.84782674
6 16.26787108 17.27413114
7 17.73197947 18.82880294
8 19.32785762 20.52339521
9 21.06736481 22.37050078
10 22.96342764 24.38384585
11 25.03013613 26.57839197
12 27.28284838 28.97044725
13 29.73830474 31.57778751
14 32.41475216 34.41978838
15 35.33207986 37.51756933
16 38.51196705 40.89415057
17 41.97804408 44.57462413
18 45.75606805 48.5863403
19 49.87411417 52.95911092
20 54.36278445 57.72543091
21 59.25543505 62.92071969
22 64.5884242 68.58358446
23 70.40138238 74.75610706
24 76.73750679 81.4841567
25 83.64388241 88.8177308
26 91.17183182 96.81132657
27 99.37729669 105.524346
28 108.3212534 115.0215371
29 118.0701662 125.3734754
30 128.6964812 136.6570882
END
$line2_1 << END
1 5.000016218
2 5.000144886
3 5.001294247
4 5.011559667
5 5.103197867
6 5.918223069
7 12.93948945
8 60.14256868
9 168.8568071
10 213.3166231
11 217.7306186
12 216.1044062
13 213.7895241
14 211.3988525
15 208.9998743
16 206.5999862
17 204.1999985
18 201.7999998
19 199.4
20 197
21 194.6
22 192.2
23 189.8
24 187.4
25 185
26 182.6
27 180.2
28 177.8
29 175.4
30 173
END
$band2_1 << END
1 4.700015245 5.300017191
2 4.700136193 5.300153579
3 4.701216593 5.301371902
4 4.710866087 5.312253247
5 4.797005995 5.409389739
6 5.563129685 6.273316453
7 12.16312008 13.71585881
8 56.53401456 63.75112281
9 158.7253986 178.9882155
10 200.5176257 226.1156205
11 204.6667815 230.7944557
12 203.1381418 229.0706706
13 200.9621526 226.6168955
14 198.7149214 224.0827837
15 196.4598819 221.5398668
16 194.2039871 218.9959854
17 191.9479986 216.4519984
18 189.6919998 213.9079998
19 187.436 211.364
20 185.18 208.82
21 182.924 206.276
22 180.668 203.732
23 178.412 201.188
24 176.156 198.644
25 173.9 196.1
26 171.644 193.556
27 169.388 191.012
28 167.132 188.468
29 164.876 185.924
30 162.62 183.38
END
$line2_2 << END
1 5.618203855
2 4.809401179
3 6.021804201
4 6.478639473
5 6.356081206
6 7.326758553
7 6.656667057
8 6.937080992
9 8.247183566
10 7.872878076
11 8.54038676
12 8.734996244
13 8.109656217
14 9.510221232
15 9.787437111
16 9.647036913
17 10.51434484
18 9.836972517
19 10.4141012
20 11.63779076
21 11.12634435
22 11.79490201
23 11.87815029
24 11.48146747
25 12.99726831
26 13.04422455
27 12.90172068
28 13.70370701
29 13.0836182
30 13.92403149
END
$band2_2 << END
1 5.393475701 5.842932009
2 4.617025132 5.001777227
3 5.780932033 6.262676369
4 6.219493894 6.737785052
5 6.101837957 6.610324454
6 7.033688211 7.619828896
7 6.390400375 6.92293374
8 6.659597753 7.214564232
9 7.917296223 8.577070909
10 7.557962953 8.187793199
11 8.19877129 8.882002231
12 8.385596394 9.084396094
13 7.785269969 8.434042466
14 9.129812383 9.890630081
15 9.395939627 10.1789346
16 9.261155437 10.03291839
17 10.09377104 10.93491863
18 9.443493616 10.23045142
19 9.997537147 10.83066524
20 11.17227913 12.10330239
21 10.68129058 11.57139813
22 11.32310593 12.26669809
23 11.40302428 12.3532763
24 11.02220878 11.94072617
25 12.47737758 13.51715904
26 12.52245557 13.56599353
27 12.38565185 13.41778951
28 13.15555873 14.25185529
29 12.56027347 13.60696293
30 13.36707023 14.48099275
END
$line3_1 << END
1 0.06000005324
2 0.06000048049
3 0.0600043364
4 0.06003913429
5 0.06035304533
6 0.06317470742
7 0.08774552763
8 0.2547971176
9 0.6452028824
10 0.8122544724
11 0.8368252926
12 0.8396469547
13 0.8399608657
14 0.8399956636
15 0.8399995195
16 0.8399999468
17 0.8399999941
18 0.8399999993
19 0.8399999999
20 0.84
21 0.84
22 0.84
23 0.84
24 0.84
25 0.84
26 0.84
27 0.84
28 0.84


END
$band3_1 << END
1 0.05880005217 0.0612000543
2 0.05880047088 0.0612004901
3 0.05880424967 0.06120442312
4 0.0588383516 0.06123991697
5 0.05914598443 0.06156010624
6 0.06191121327 0.06443820157
7 0.08599061708 0.08950043819
8 0.2497011753 0.25989306
9 0.6322988247 0.65810694
10 0.7960093829 0.8284995618
11 0.8200887867 0.8535617984
12 0.8228540156 0.8564398938
13 0.8231616484 0.856760083
14 0.8231957503 0.8567955769
15 0.8231995291 0.8567995099
16 0.8231999478 0.8567999457
17 0.8231999942 0.856799994
18 0.8231999994 0.8567999993
19 0.8231999999 0.8567999999
20 0.8232 0.8568
21 0.8232 0.8568
22 0.8232 0.8568
23 0.8232 0.8568
24 0.8232 0.8568
25 0.8232 0.8568
26 0.8232 0.8568
27 0.8232 0.8568
28 0.8232 0.8568


END
$line3_2 << END
1 0.084
2 0.088
3 0.092
4 0.096
5 0.1
6 0.104
7 0.108
8 0.112
9 0.116
10 0.12
11 0.124
12 0.128
13 0.132
14 0.136
15 0.14
16 0.144
17 0.148
18 0.152
19 0.156
20 0.16
21 0.164
22 0.168
23 0.172
24 0.176
25 0.18
26 0.184
27 0.188
28 0.192
29 0.196
30 0.2
END
$band3_2 << END
1 0.08232 0.08568
2 0.08624 0.08976
3 0.09016 0.09384
4 0.09408 0.09792
5 0.098 0.102
6 0.10192 0.10608
7 0.10584 0.11016
8 0.10976 0.11424
9 0.11368 0.11832
10 0.1176 0.1224
11 0.12152 0.12648
12 0.12544 0.13056
13 0.12936 0.13464
14 0.13328 0.13872
15 0.1372 0.1428
16 0.14112 0.14688
17 0.14504 0.15096
18 0.14896 0.15504
19 0.15288 0.15912
20 0.1568 0.1632
21 0.16072 0.16728
22 0.16464 0.17136
23 0.16856 0.17544
24 0.17248 0.17952
25 0.1764 0.1836
26 0.18032 0.18768
27 0.18424 0.19176
28 0.18816 0.19584
29 0.19208 0.19992
30 0.196 0.204
END
$line4_1 << END
1 4.095361746e-08
2 3.69606748e-07
3 3.3356894e-06
4 3.010329881e-05
5 0.0002715733339
6 0.00244208263
7 0.02134271356
8 0.1498439366
9 0.4501560634
10 0.5786572864
11 0.5975579174
12 0.5997284267
13 0.5999698967
14 0.5999966643
15 0.5999996304
16 0.599999959
17 0.5999999955
18 0.5999999995
19 0.5999999999
20 0.6
21 0.6
22 0.6
23 0.6
24 0.6
25 0.6
26 0.6
27 0.6
28 0.6
29 0.6
30 0.6
END
$band4_1 << END
1 3.890593659e-08 4.300129834e-08
2 3.511264106e-07 3.880870854e-07
3 3.16890493e-06 3.50247387e-06
4 2.859813387e-05 3.160846375e-05
5 0.0002579946672 0.0002851520006
6 0.002319978498 0.002564186761
7 0.02027557789 0.02240984924
8 0.1423517398 0.1573361335
9 0.4276482602 0.4726638665
10 0.5497244221 0.6075901508
11 0.5676800215 0.6274358132
12 0.5697420053 0.629714848
13 0.5699714019 0.6299683915
14 0.5699968311 0.6299964975
15 0.5699996489 0.6299996119
16 0.5699999611 0.629999957
17 0.5699999957 0.6299999952
18 0.5699999995 0.6299999995
19 0.5699999999 0.6299999999
20 0.57 0.63
21 0.57 0.63
22 0.57 0.63
23 0.57 0.63
24 0.57 0.63
25 0.57 0.63
26 0.57 0.63
27 0.57 0.63
28 0.57 0.63
29 0.57 0.63
30 0.57 0.63
END
set terminal svg size 1040,548 dynamic noenhanced font 'Sans,13'
set output 'chain.svg'
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
set object 1 rectangle from first 8.5, graph 0 to first 9.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 2 rectangle from first 9.5, graph 0 to first 10.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 3 rectangle from first 10.5, graph 0 to first 11.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 4 rectangle from first 11.5, graph 0 to first 12.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 5 rectangle from first 12.5, graph 0 to first 13.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 6 rectangle from first 13.5, graph 0 to first 14.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 7 rectangle from first 14.5, graph 0 to first 15.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 8 rectangle from first 15.5, graph 0 to first 16.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 9 rectangle from first 16.5, graph 0 to first 17.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 10 rectangle from first 17.5, graph 0 to first 18.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 11 rectangle from first 18.5, graph 0 to first 19.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 12 rectangle from first 19.5, graph 0 to first 20.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 13 rectangle from first 20.5, graph 0 to first 21.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 14 rectangle from first 21.5, graph 0 to first 22.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 15 rectangle from first 22.5, graph 0 to first 23.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 16 rectangle from first 23.5, graph 0 to first 24.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 17 rectangle from first 24.5, graph 0 to first 25.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 18 rectangle from first 25.5, graph 0 to first 26.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 19 rectangle from first 26.5, graph 0 to first 27.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 20 rectangle from first 27.5, graph 0 to first 28.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 21 rectangle from first 28.5, graph 0 to first 29.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set object 22 rectangle from first 29.5, graph 0 to first 30.5, graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder
set arrow 1 from first 8.5, graph 0 to first 8.5, graph 1 nohead dt (4,4) lw 1.2 lc rgb '#777777'
set label 11 'spike 8' at screen 0.2516666667,0.9689781022 center textcolor rgb '#777777'
set lmargin at screen 0.06346153846
set rmargin at screen 0.7692307692
set tmargin at screen 0.901459854
set bmargin at screen 0.7408759124
set key at screen 0.7769230769,0.901459854
set label 1 '4. Norm at the layer''s input, l2 · natural' at graph 0,1 left offset 0,character 0.9 font ':Bold'
set xlabel ''
unset logscale x
set xrange [0.5:30.5]
set format x ''
set xtics 5,5
set xtics add ("" 1)
set logscale y 10
set mytics 10
set yrange [8.133076923:7374.670073]
set ytics 10
plot $band1_2 using 1:2:3 with filledcurves fillstyle transparent solid 0.18 noborder lc rgb '#56B4E9' notitle, \
     $band1_1 using 1:2:3 with filledcurves fillstyle transparent solid 0.18 noborder lc rgb '#0072B2' notitle, \
     $line1_2 using 1:2 with linespoints lc rgb '#56B4E9' dt (5,2) lw 1.8 pt 6 ps 0.55 pi 1 notitle, \
     $line1_1 using 1:2 with linespoints lc rgb '#0072B2' dt 1 lw 1.8 pt 7 ps 0.55 pi 1 notitle, \
     keyentry with linespoints lc rgb '#0072B2' dt 1 lw 1.8 pt 7 ps 0.55 title 'position 0', \
     keyentry with linespoints lc rgb '#56B4E9' dt (5,2) lw 1.8 pt 6 ps 0.55 title 'other positions, mean'
set lmargin at screen 0.06346153846
set rmargin at screen 0.7692307692
set tmargin at screen 0.6897810219
set bmargin at screen 0.5291970803
set key at screen 0.7769230769,0.6897810219
set label 1 '5. Dominance at the layer''s input, max |h| / mean |h| · natural' at graph 0,1 left offset 0,character 0.9 font ':Bold'
set xlabel ''
unset logscale x
set xrange [0.5:30.5]
set format x ''
set xtics 5,5
set xtics add ("" 1)
set logscale y 10
set mytics 10
set yrange [3.551557794:300.0327924]
set ytics (10,100)
set ytics add ("" 4 1,"" 5 1,"" 6 1,"" 7 1,"" 8 1,"" 9 1,"" 10 1,"" 20 1,"" 30 1,"" 40 1,"" 50 1,"" 60 1,"" 70 1,"" 80 1,"" 90 1,"" 100 1,"" 200 1,"" 300 1)
plot $band2_2 using 1:2:3 with filledcurves fillstyle transparent solid 0.18 noborder lc rgb '#56B4E9' notitle, \
     $band2_1 using 1:2:3 with filledcurves fillstyle transparent solid 0.18 noborder lc rgb '#0072B2' notitle, \
     $line2_2 using 1:2 with linespoints lc rgb '#56B4E9' dt (5,2) lw 1.8 pt 6 ps 0.55 pi 1 notitle, \
     $line2_1 using 1:2 with linespoints lc rgb '#0072B2' dt 1 lw 1.8 pt 7 ps 0.55 pi 1 notitle, \
     keyentry with linespoints lc rgb '#0072B2' dt 1 lw 1.8 pt 7 ps 0.55 title 'position 0', \
     keyentry with linespoints lc rgb '#56B4E9' dt (5,2) lw 1.8 pt 6 ps 0.55 title 'other positions, mean'
set lmargin at screen 0.06346153846
set rmargin at screen 0.7692307692
set tmargin at screen 0.4781021898
set bmargin at screen 0.3175182482
set key at screen 0.7769230769,0.4781021898
set label 1 '6. Energy in the four largest dimensions after RMSNorm, share · natural' at graph 0,1 left offset 0,character 0.9 font ':Bold'
set xlabel ''
unset logscale x
set xrange [0.5:30.5]
set format x ''
set xtics 5,5
set xtics add ("" 1)
unset logscale y
set mytics default
set yrange [0:0.8966999974]
set ytics 0.2
plot $band3_2 using 1:2:3 with filledcurves fillstyle transparent solid 0.18 noborder lc rgb '#56B4E9' notitle, \
     $band3_1 using 1:2:3 with filledcurves fillstyle transparent solid 0.18 noborder lc rgb '#0072B2' notitle, \
     $line3_2 using 1:2 with linespoints lc rgb '#56B4E9' dt (5,2) lw 1.8 pt 6 ps 0.55 pi 1 notitle, \
     $line3_1 using 1:2 with linespoints lc rgb '#0072B2' dt 1 lw 1.8 pt 7 ps 0.55 pi 1 notitle, \
     keyentry with linespoints lc rgb '#0072B2' dt 1 lw 1.8 pt 7 ps 0.55 title 'position 0', \
     keyentry with linespoints lc rgb '#56B4E9' dt (5,2) lw 1.8 pt 6 ps 0.55 title 'other positions, mean'
set lmargin at screen 0.06346153846
set rmargin at screen 0.7692307692
set tmargin at screen 0.2664233577
set bmargin at screen 0.1058394161
set key at screen 0.7769230769,0.2664233577
set label 1 '8. Excess attention to position 0, share · natural' at graph 0,1 left offset 0,character 0.9 font ':Bold'
set xlabel 'layer'
unset logscale x
set xrange [0.5:30.5]
set format x '%g'
set xtics 5,5
set xtics add ("1" 1)
unset logscale y
set mytics default
set yrange [0:0.6614999981]
set ytics 0.2
plot $band4_1 using 1:2:3 with filledcurves fillstyle transparent solid 0.18 noborder lc rgb '#0072B2' notitle, \
     $line4_1 using 1:2 with linespoints lc rgb '#0072B2' dt 1 lw 1.8 pt 7 ps 0.55 pi 1 notitle, \
     keyentry with linespoints lc rgb '#0072B2' dt 1 lw 1.8 pt 7 ps 0.55 title 'position 0', \
     0.2 with lines lw 1.4 lc rgb '#777777' dt (12,6) title 'sink layer from 0.2 on'
unset label
unset arrow
unset object
set format x '%g'
set xlabel ''
unset multiplot
unset output
