# needs: emacs
# heavy: yes
export HOME="$PWD"
exec emacs -Q --batch --eval '(progn
 (princ (shell-command-to-string "echo from a shell"))
 (princ (format "%s\n" (call-process "sh" nil nil nil "-c" "exit 3")))
 (let ((p (start-process "cat" "buffer" "cat")))
   (process-send-string p "to cat\n") (accept-process-output p 5) (process-send-eof p)
   (while (process-live-p p) (accept-process-output p 0.1))
   (with-current-buffer "buffer" (princ (buffer-substring 1 7)) (terpri)))
 (with-temp-file "file" (dotimes (i 1000) (insert (format "%d\n" i))))
 (with-temp-buffer (insert-file-contents "file") (sort-lines t 1 (point-max)) (goto-char 1) (princ (buffer-substring 1 4)) (terpri))
 (let ((n 0)) (run-at-time 0.05 nil (lambda () (setq n 1))) (while (= n 0) (sleep-for 0.02)) (princ "timer\n"))
 (thread-join (make-thread (lambda () (princ "thread\n"))))
 (garbage-collect) (kill-emacs 4))'
