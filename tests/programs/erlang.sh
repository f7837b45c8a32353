# needs: erl
# heavy: yes
erl -noshell -eval '
  Started = [spawn_monitor(fun() -> exit(lists:sum(lists:seq(1, 10000 * N))) end) || N <- lists:seq(1, 20)],
  io:format("~p~n", [lists:sum([receive {_, R, _, _, Sum} -> Sum end || {_, R} <- Started])]),
  io:format("~p~n", [os:cmd("echo from a shell")]),
  {ok, Listener} = gen_tcp:listen(0, [binary, {active, false}]), {ok, Port} = inet:port(Listener),
  spawn(fun() -> {ok, S} = gen_tcp:connect("localhost", Port, [binary]), gen_tcp:send(S, "hello"), gen_tcp:close(S) end),
  {ok, Accepted} = gen_tcp:accept(Listener), io:format("~p~n", [gen_tcp:recv(Accepted, 5)]),
  receive after 50 -> ok end, halt(2).'
echo $?
