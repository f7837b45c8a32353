# needs: pypy3
# heavy: yes
pypy3 -c '
import os, signal, subprocess, threading, time
print(sum(i % 7 for i in range(3000000)))
threads = [threading.Thread(target=lambda: sum(range(100000))) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(subprocess.call(["sh", "-c", "exit 3"]))
signal.signal(signal.SIGALRM, lambda *_: print("alarm")); signal.setitimer(signal.ITIMER_REAL, .05); time.sleep(.2)
def deep(n): return deep(n + 1)
try: deep(0)
except RecursionError: print("deep", flush=True)
os._exit(4)'
echo $?
