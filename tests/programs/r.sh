# needs: Rscript
# heavy: yes
Rscript --vanilla -e '
  print(system("echo from a shell; exit 3"))
  deep <- function(n) deep(n + 1); print(class(try(deep(1), silent = TRUE)))
  print(unlist(parallel::mclapply(1:6, function(i) i * i, mc.cores = 2)))
  print(round(sum(solve(matrix(1:10000 / 7, 100) + diag(100) * 3)), 6))
  quit(status = 4)'
echo $?
