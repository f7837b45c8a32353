# needs: go cc
# The Go runtime makes threads of its own and children by clone(CLONE_VFORK | CLONE_VM) with its own instructions.
export GOCACHE=/tmp/interceptor-test-go-cache GO111MODULE=off HOME="$PWD"
cat > main.go <<'GO'
package main

// #include <unistd.h>
import "C"
import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Println(os.Args[1], os.Getenv("A"), len(os.Environ()), int(C.getpid()) == os.Getpid())
		os.Exit(5)
	}
	var all sync.WaitGroup
	statuses := make([]int, 40)
	for i := range statuses {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			command := exec.Command("sh", "-c", fmt.Sprintf("cat; exit %d", i))
			command.Stdin = strings.NewReader("input")
			out, err := command.Output()
			if string(out) != "input" {
				fmt.Println("output", string(out), err)
			}
			statuses[i] = command.ProcessState.ExitCode()
		}(i)
	}
	all.Wait()
	fmt.Println(statuses)
	_, err := exec.Command("/nonexistent/program").Output()
	fmt.Println(err)
	self, _ := os.Executable()
	command := exec.Command(self, "again")
	command.Env = []string{"A=b", "C=d"}
	out, err := command.Output()
	fmt.Print(string(out), err, "\n")
	command = exec.Command("sleep", "100")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	command.Start()
	time.Sleep(10 * time.Millisecond)
	syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
	fmt.Println(command.Wait())
	syscall.Exec(self, []string{"go", "replaced"}, []string{"A=c"})
}
GO
go build -o spawns main.go 2> /dev/null && ./spawns; echo $?
