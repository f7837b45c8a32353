# needs: swipl
# heavy: yes
swipl -q -g 'findall(T, (between(1, 8, _), thread_create((numlist(1, 100000, Q), sum_list(Q, _)), T)), Ts),
  maplist([T]>>thread_join(T, _), Ts), length(Ts, N), print(N), nl,
  shell("exit 3", Status), print(Status), nl,
  catch(call_with_time_limit(0.2, (repeat, fail)), E, (print(E), nl)), garbage_collect, halt(2)'
echo $?
