# needs: dash
exec dash -c 'for i in 1 2 3; do echo $i | cat; done; set -- $(seq 100); echo $#; false'
