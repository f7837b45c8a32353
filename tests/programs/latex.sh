# needs: pdflatex gs
# heavy: yes
export HOME="$PWD"; printf '\\documentclass{article}\\begin{document}Some $x^2$\\end{document}' > text.tex
pdflatex -interaction=batchmode text.tex > log; echo $?
gs -q -dNOPAUSE -dBATCH -sDEVICE=pgmraw -r50 -sOutputFile=page.pgm text.pdf; echo $?; md5sum page.pgm
