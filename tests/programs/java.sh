# needs: java javac
java -version 2>&1 | head -1
cat > T.java <<'EOF'
public class T {
    public static void main(String[] arguments) throws Exception {
        Thread[] threads = new Thread[16];
        long[] sums = new long[16];
        for (int i = 0; i < 16; i++) {
            int k = i;
            threads[i] = new Thread(() -> { for (int j = 0; j < 200000; j++) sums[k] += j; });
            threads[i].start();
        }
        for (Thread thread : threads) thread.join();
        long sum = 0;
        for (long part : sums) sum += part;
        System.out.println(sum);
        for (int i = 0; i < 50; i++) { byte[] garbage = new byte[1 << 20]; garbage[i] = 1; }
        System.gc();
        try { Object nothing = null; nothing.hashCode(); } catch (NullPointerException e) { System.out.println("null"); }
        try { recurse(0); } catch (StackOverflowError e) { System.out.println("overflow"); }
        System.out.println(new ProcessBuilder("sh", "-c", "exit 3").inheritIO().start().waitFor());
        System.exit(8);
    }
    static int recurse(int n) { return recurse(n + 1) + 1; }
}
EOF
javac T.java && java -Xmx128m T; echo $?
