# needs: ruby
exec ruby -e '
require "open3"; require "socket"; require "timeout"; require "tempfile"
$stdout.sync = true
threads = 8.times.map { |n| Thread.new { (0..10000 * n).sum } }; puts threads.map(&:value).inspect
trap("USR1") { puts "usr1" }; Process.kill("USR1", $$); sleep 0.05
puts `echo sub; exit 3`, $?.exitstatus
out, err, status = Open3.capture3("sh", "-c", "cat; echo error >&2; exit 4", stdin_data: "input"); p out, err, status.exitstatus
one, two = UNIXSocket.pair; one.puts "hello"; puts two.gets
begin; Timeout.timeout(0.1) { sleep 10 }; rescue Timeout::Error; puts "timeout"; end
pid = fork { exit! 7 }; Process.wait pid; puts $?.exitstatus
reader, writer = IO.pipe
pids = 4.times.map { |n| fork { writer.puts n; exit! 0 } }; pids.each { |child| Process.wait child }; writer.close
puts reader.read.split.sort.join(",")
Process.wait spawn("kill -9 $$"); puts $?.termsig
queue = Queue.new; consumer = Thread.new { 100.times.sum { queue.pop } }; 100.times { |n| queue << n }; puts consumer.value
fiber = Fiber.new { 3.times { |n| Fiber.yield n } }; puts 3.times.map { fiber.resume }.inspect
100.times { GC.start if rand > 2; "x" * 100000 }; GC.start
def deep(n) = deep(n + 1) + 1
begin; deep 0; rescue SystemStackError; puts "deep"; end
exit 6'
