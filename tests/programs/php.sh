# needs: php
exec php -n -r '
$process = proc_open(["sh", "-c", "cat; exit 3"], [["pipe", "r"], ["pipe", "w"]], $pipes);
fwrite($pipes[0], "input\n"); fclose($pipes[0]); echo stream_get_contents($pipes[1]); fclose($pipes[1]); echo proc_close($process), "\n";
echo shell_exec("echo from a shell"); passthru("echo passed; exit 4", $status); echo $status, "\n";
[$one, $two] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); fwrite($one, "hello\n"); echo fgets($two);
file_put_contents("file", str_repeat("x", 100000)); echo md5_file("file"), " ", filesize("file"), "\n";
usleep(1000); echo array_sum(array_map(fn($n) => $n * $n, range(1, 1000))), "\n";
echo gzuncompress(gzcompress("compressed")), "\n"; echo @file_get_contents("/nonexistent") === false ? "none\n" : "?";
exit(5);'
