# needs: python3
cat > main.py <<'PYTHON'
import concurrent.futures, multiprocessing, os, signal, subprocess, sys

def square(n): return n * n
def die(n): os.kill(os.getpid(), n)
def put(queue, n): queue.put(n * 2)

def main():
    for method in ["fork", "spawn", "forkserver"]:
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool: print(method, sum(pool.imap_unordered(square, range(20))))
        queue = context.Queue()
        children = [context.Process(target=put, args=(queue, n)) for n in range(2)]
        [child.start() for child in children]
        print(sorted(queue.get() for _ in children), [child.join() or child.exitcode for child in children])
        child = context.Process(target=die, args=(signal.SIGKILL,))
        child.start(); child.join(); print(child.exitcode)
    with concurrent.futures.ProcessPoolExecutor(2) as pool: print(list(pool.map(square, range(8))))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        runs = pool.map(lambda n: subprocess.run(["sh", "-c", f"exit {n}"]).returncode, range(12))
        print(list(runs))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(list(pool.map(lambda n: subprocess.check_output(["cat"], input=b"%d" % n), range(8))))
    for arguments in [dict(close_fds=False), dict(preexec_fn=os.setpgrp), dict(start_new_session=True), dict(env={}),
                      dict(env={"A": "b"}, cwd="/"), dict(umask=0o77), dict(restore_signals=False)]:
        run = subprocess.run(["/bin/sh", "-c", "umask; pwd; echo $A; exit 3"], capture_output=True, **arguments)
        print(run.stdout.replace(os.getcwd().encode(), b"here"), run.returncode)
    try: subprocess.run(["/nonexistent/program"])
    except FileNotFoundError as error: print(error)
    try: subprocess.run(["sleep", "10"], timeout=0.1)
    except subprocess.TimeoutExpired: print("killed after a time")
    print(os.posix_spawn("/bin/true", ["true"], os.environ) > 0, os.wait()[1])
    child = os.fork()
    if child == 0: os.execve("/bin/sh", ["sh", "-c", "exit 5"], {})
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

if __name__ == "__main__": main()
PYTHON
exec python3 main.py
