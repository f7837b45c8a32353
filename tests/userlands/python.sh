# The interpreter of the root: threads, signals, children.
exec python3 -c '
import os, signal, subprocess, sys, threading, time
sums = []
threads = [threading.Thread(target=lambda n=n: sums.append(sum(range(n * 1000)))) for n in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(sums)[-1])
print(subprocess.run(["sh", "-c", "echo out; exit 5"], capture_output=True))
signal.signal(signal.SIGUSR1, lambda *_: print("usr1"))
os.kill(os.getpid(), signal.SIGUSR1)
signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(0.3)
def many(n):
    for i in range(5):
        assert subprocess.call(["true"]) == 0
    if n == 3: os.system("echo from a thread")
threads = [threading.Thread(target=many, args=(n,)) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
sys.stdout.flush()
pid = os.fork()
if pid == 0: os.kill(os.getpid(), signal.SIGKILL)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 6"], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
# A thread may be joined and still run; it would take the signal, and end the process.
while len(os.listdir("/proc/self/task")) > 1: time.sleep(0.01)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigwait([signal.SIGUSR2]))
'
