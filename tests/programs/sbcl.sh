# needs: sbcl
# heavy: yes
# A collector that protects pages, errors out of SIGSEGV, threads that are stopped by signals.
sbcl --noinform --no-userinit --disable-debugger --eval '(progn
  (dotimes (i 50) (make-list 100000)) (gc :full t)
  (print (handler-case (car (eval 5)) (error () :wrong)))
  (print (handler-case (labels ((f (x) (1+ (f (1+ x))))) (f 0)) (storage-condition () :deep)))
  (let ((threads (loop for i below 4 collect (let ((i i)) (sb-thread:make-thread (lambda () (dotimes (k 100) (make-list 10000)) (* i i)))))))
    (print (mapcar (function sb-thread:join-thread) threads)))
  (print (sb-ext:process-exit-code (sb-ext:run-program "/bin/sh" (list "-c" "exit 4"))))
  (print (handler-case (sb-ext:with-timeout 0.2 (loop)) (sb-ext:timeout () :timeout)))
  (terpri) (finish-output) (sb-ext:exit :code 3))'
echo $?
