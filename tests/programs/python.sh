# needs: python3
exec python3 -c '
import ctypes, multiprocessing, os, signal, socket, subprocess, threading, time
sums = []
threads = [threading.Thread(target=lambda n=n: sums.append(sum(range(n * 1000)))) for n in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(sums)[-1])
print(subprocess.run(["sh", "-c", "echo out; exit 5"], capture_output=True))
libc = ctypes.CDLL(None, use_errno=True)
print(libc.getpid() == os.getpid(), libc.close(-1), ctypes.get_errno())
signal.signal(signal.SIGUSR1, lambda *_: print("usr1"))
os.kill(os.getpid(), signal.SIGUSR1)
signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(0.3)
def child(queue): queue.put(os.getppid() > 0)
if __name__ == "__main__":
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=child, args=(queue,))
    process.start(); print(queue.get()); process.join(); print(process.exitcode)
    with multiprocessing.Pool(4) as pool: print(sum(pool.map(abs, range(-100, 0))))
one, two = socket.socketpair()
one.sendall(b"hello"); print(two.recv(5))
'
