# needs: python3
exec /usr/bin/python3 -X dev -W ignore -c '
import asyncio, os, signal, sys
async def main():
    # Who is slow says so in debug mode, on a busy machine.
    loop = asyncio.get_running_loop(); loop.slow_callback_duration = 60; heard = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, heard.set)
    children = [await asyncio.create_subprocess_exec("sh", "-c", f"read x; echo $x; exit {n}", stdin=-1, stdout=-1) for n in range(5)]
    print([(await child.communicate(b"line\n"))[0] for child in children], [child.returncode for child in children])
    os.kill(os.getpid(), signal.SIGUSR1); await heard.wait(); print("heard")
    async def serve(reader, writer): writer.write((await reader.readline()).upper()); await writer.drain(); writer.close()
    server = await asyncio.start_unix_server(serve, "socket")
    async def ask(n):
        reader, writer = await asyncio.open_unix_connection("socket"); writer.write(b"question %d\n" % n); answer = await reader.read(); writer.close(); return answer
    print(await asyncio.gather(*map(ask, range(5)))); server.close()
    print(await asyncio.to_thread(sum, range(1000)))
    try: await asyncio.wait_for(asyncio.sleep(10), 0.05)
    except asyncio.TimeoutError: print("timeout")
    child = await asyncio.create_subprocess_exec("sleep", "100"); child.send_signal(signal.SIGTERM); print(await child.wait())
asyncio.run(main()); sys.exit(4)'
