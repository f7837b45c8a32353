# needs: mono mcs
# heavy: yes
cat > main.cs <<'CS'
using System; using System.Collections.Generic; using System.Diagnostics; using System.Threading;
class Program {
    static int Deep(int n) { return n == 0 ? 0 : 1 + Deep(n - 1); }
    static int Main() {
        var threads = new List<Thread>(); int sum = 0;
        for (int i = 0; i < 8; i++) {
            int k = i;
            var thread = new Thread(() => { for (int j = 0; j < 1000; j++) Interlocked.Add(ref sum, k + new byte[10000][j]); });
            thread.Start(); threads.Add(thread);
        }
        foreach (var thread in threads) thread.Join();
        GC.Collect(); Console.WriteLine(sum);
        try { string none = null; Console.WriteLine(none.Length); } catch (NullReferenceException) { Console.WriteLine("null"); }
        try { int zero = 0; Console.WriteLine(1 / zero); } catch (DivideByZeroException) { Console.WriteLine("by zero"); }
        var child = Process.Start(new ProcessStartInfo("/bin/echo", "child") { RedirectStandardOutput = true, UseShellExecute = false });
        Console.Write(child.StandardOutput.ReadToEnd()); child.WaitForExit();
        Console.WriteLine(Deep(10000)); return 5;
    }
}
CS
mcs main.cs && mono main.exe; echo $?
