# needs: ocaml
# heavy: yes
cat > main.ml <<'ML'
let () =
  Sys.set_signal Sys.sigusr1 (Sys.Signal_handle (fun _ -> print_endline "usr1"));
  Unix.kill (Unix.getpid ()) Sys.sigusr1;
  let threads = List.init 4 (fun n -> Thread.create (fun n -> for i = 1 to 100000 do ignore (Array.make 10 (i + n)) done) n) in
  List.iter Thread.join threads; Gc.compact ();
  let input = Unix.open_process_in "echo from a shell; exit 3" in
  print_endline (input_line input);
  (match Unix.close_process_in input with Unix.WEXITED n -> print_endline (string_of_int n) | _ -> print_endline "?");
  (match Unix.fork () with 0 -> Unix._exit 6 | pid -> match snd (Unix.waitpid [] pid) with Unix.WEXITED n -> print_endline (string_of_int n) | _ -> ());
  let rec deep n = 1 + deep (n + 1) in (try ignore (deep 0) with Stack_overflow -> print_endline "deep");
  exit 4
ML
ocamlfind ocamlopt -package unix,threads.posix -linkpkg main.ml -o main 2> /dev/null || ocamlopt -I +unix -I +threads unix.cmxa threads.cmxa main.ml -o main; ./main; echo $?
