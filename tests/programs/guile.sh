# needs: guile
# heavy: yes
guile --no-auto-compile -c '(use-modules (ice-9 threads) (ice-9 popen) (ice-9 rdelim))
  (display (par-map (lambda (x) (* x x)) (iota 10))) (newline)
  (let ((port (open-input-pipe "echo from a shell; exit 3")))
    (display (read-line port)) (display (status:exit-val (close-pipe port))) (newline))
  (define came #f) (sigaction SIGALRM (lambda (signal) (set! came #t))) (alarm 1)
  (while (not came) (sleep 1)) (display "alarm\n") (gc)
  (exit 4)'
echo $?
