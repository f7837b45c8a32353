# needs: convert
convert -size 200x100 gradient:red-blue -blur 0x2 -resize 50% out.ppm && md5sum out.ppm
convert out.ppm -rotate 30 out.png && convert out.png txt:- | tail -1
