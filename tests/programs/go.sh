# needs: go cc
# With cgo it is linked dynamically and intercepted; without, it is static, and runs untouched.
export GOCACHE=/tmp/interceptor-test-go-cache GO111MODULE=off HOME="$PWD"
cat > main.go <<'EOF'
package main

// #include <unistd.h>
import "C"
import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	var all sync.WaitGroup
	for i := 0; i < 50; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for j := 0; j < 50; j++ {
				file, _ := os.Open("/etc/passwd")
				file.Read(make([]byte, 10))
				file.Close()
				C.getpid()
			}
		}()
	}
	all.Wait()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-signals, int(C.getpid()) == os.Getpid())
	out, err := exec.Command("echo", "child").Output()
	fmt.Print(string(out), err, "\n")
	time.Sleep(20 * time.Millisecond)
	defer func() { fmt.Println(recover()); os.Exit(4) }()
	var nothing *int
	*nothing = 1
}
EOF
go build -o with main.go && ./with; echo $?
