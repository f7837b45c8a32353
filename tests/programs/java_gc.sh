# needs: java javac
# A collector with threads of its own stops the others by polling pages; null checks are faults that it handles.
cat > G.java <<'JAVA'
import java.util.*;
import java.util.concurrent.*;
public class G {
    static class Node { Node next; byte[] data = new byte[100]; }
    static int nulls(Node[] nodes) { int n = 0; for (Node node : nodes) try { n += node.data.length; } catch (NullPointerException e) { n++; } return n; }
    public static void main(String[] arguments) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Integer>> results = new ArrayList<>();
        for (int t = 0; t < 4; t++) results.add(pool.submit(() -> {
            Node[] nodes = new Node[100]; int total = 0;
            for (int i = 0; i < 200; i++) { nodes[i % 100] = i % 3 == 0 ? null : new Node(); total += nulls(nodes) % 7; }
            return total;
        }));
        for (Future<Integer> result : results) System.out.println(result.get());
        pool.shutdown();
        Process child = new ProcessBuilder("sh", "-c", "cat; exit 5").redirectErrorStream(true).start();
        child.getOutputStream().write("input\n".getBytes()); child.getOutputStream().close();
        System.out.print(new String(child.getInputStream().readAllBytes())); System.out.println(child.waitFor());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        new ProcessBuilder("kill", "-TERM", "" + ProcessHandle.current().pid()).start(); Thread.sleep(100000);
    }
}
JAVA
javac G.java && for collector in Serial G1; do java -XX:+Use${collector}GC -Xmx32m -XX:TieredStopAtLevel=1 G; echo $?; done
