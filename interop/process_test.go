package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// How long a program may take for what a test waits for. It is long, since machines that test are busy; nothing waits this long unless
// something is wrong.
var patience = 60 * time.Second

const (
	// How long a program may take to end when it is told to.
	farewell = 20 * time.Second
	// How often a program that cannot be told to take a free port is tried on another one.
	portTries = 5
)

var (
	ours   string // directory of our programs
	theirs string // directory of the programs from elsewhere: ACTA_THEIRS, or built by this test from this module's tools
)

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	ours = os.Getenv("ACTA_BIN")
	if ours == "" {
		fmt.Fprintln(os.Stderr, "ACTA_BIN must name the directory of our programs: run scripts/interop.sh, which sets it")
		return 1
	}
	if err := checkBreaking(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if theirs = os.Getenv("ACTA_THEIRS"); theirs == "" {
		dir, err := buildTheirs()
		defer os.RemoveAll(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "the programs from elsewhere do not build:", err)
			return 1
		}
		theirs = dir
	}
	go startPrograms()
	return m.Run()
}

// buildTheirs builds the programs from elsewhere, and gives the directory that they are in.
func buildTheirs() (string, error) {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir+"/", "tool")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	return dir, build.Run()
}

// program is a process that a test started. It ends with its test.
type program struct {
	name string
	cmd  *exec.Cmd

	mu    sync.Mutex
	lines []string      // what it printed to both outputs
	more  chan struct{} // closed, and made anew, whenever there is more, or the end

	ended chan struct{} // closed once the process was waited for
	err   error         // how it ended; to be read after ended
}

// run starts a program of this test. It is told to end when the test ends, and what it printed is shown if the test failed.
func run(t *testing.T, path string, args ...string) *program {
	t.Helper()
	return runIn(t, "", path, args...)
}

func runIn(t *testing.T, dir, path string, args ...string) *program {
	t.Helper()
	p := &program{name: filepath.Base(path), cmd: exec.Command(path, args...), more: make(chan struct{}), ended: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that panics or takes too long leaves nothing running
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	err = startProgram(p.cmd)
	write.Close()
	if err != nil {
		read.Close()
		t.Fatalf("%s does not start: %v", path, err)
	}
	go p.follow(read)
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("%s printed:\n%s", p.name, strings.Join(p.printed(), "\n"))
		}
	})
	return p
}

func (p *program) follow(read io.ReadCloser) {
	defer read.Close()
	scanner := bufio.NewScanner(read)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, scanner.Text())
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
	io.Copy(io.Discard, read) // a line that is too long must not make the program wait for its reader
	p.err = p.cmd.Wait()
	close(p.ended)
}

func (p *program) printed() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines...)
}

// printsOrEnds waits until a line of the program's output matches, and gives the submatches; nil if the program ended without one.
func (p *program) printsOrEnds(t *testing.T, pattern *regexp.Regexp) []string {
	t.Helper()
	deadline := time.After(patience)
	for seen, over := 0, false; ; {
		p.mu.Lock()
		lines, more := p.lines[seen:], p.more
		p.mu.Unlock()
		for _, line := range lines {
			if found := pattern.FindStringSubmatch(line); found != nil {
				return found
			}
		}
		seen += len(lines)
		if over {
			return nil
		}
		select {
		case <-more:
		case <-p.ended:
			over = true // all of its output has been read by now, but not by this loop
		case <-deadline:
			t.Fatalf("%s did not print %q within %v", p.name, pattern, patience)
		}
	}
}

// prints is printsOrEnds for what must be printed.
func (p *program) prints(t *testing.T, pattern string) []string {
	t.Helper()
	found := p.printsOrEnds(t, regexp.MustCompile(pattern))
	if found == nil {
		t.Fatalf("%s ended (%v) without printing %q", p.name, p.err, pattern)
	}
	return found
}

// end waits until the program has ended by itself.
func (p *program) end(t *testing.T) error {
	t.Helper()
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
		t.Fatalf("%s did not end within %v", p.name, patience)
		return nil
	}
}

func (p *program) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("cannot signal %s: %v", p.name, err)
	}
}

// stop tells the program to end, if it has not, and waits for it. It kills what does not listen.
func (p *program) stop(t *testing.T) {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return
	case <-time.After(farewell):
		t.Errorf("%s did not end within %v after SIGTERM", p.name, farewell)
	}
	p.cmd.Process.Kill()
	<-p.ended
}

// good runs a program to its end, which must be a good one, and gives what it printed to standard output.
func good(t *testing.T, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var told strings.Builder
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = &told
	printed, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(path), strings.Join(args, " "), err, printed, told.String())
	}
	return string(printed)
}

// onFreePort starts a program that can only be told a port, not to take a free one: start is given an address whose port was free a moment
// ago. Somebody else may be quicker, so a program that ends over that is started again with another one.
func onFreePort(t *testing.T, start func(address string) *program, ready func(address string) bool) (*program, string) {
	t.Helper()
	for range portTries {
		address := freeAddress(t)
		p := start(address)
		if listens(t, p, func() bool { return ready(address) }) {
			return p, address
		}
		if !strings.Contains(strings.Join(p.printed(), "\n"), "address already in use") {
			t.Fatalf("%s did not come to listening: %v", p.name, p.err)
		}
	}
	t.Fatalf("%d free ports were taken before a program could listen on them", portTries)
	return nil, ""
}

// listens asks again and again until the program is ready; false if it ended. These programs say that they listen before they do.
func listens(t *testing.T, p *program, ready func() bool) bool {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		select {
		case <-p.ended:
			return false
		case <-tick.C:
			if ready() {
				return true
			}
		case <-deadline:
			t.Fatalf("%s did not come to listening within %v", p.name, patience)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// Whom a process outlives is, for Linux, the thread that started it: so one thread that lives as long as the tests starts them all.
var starting = make(chan func())

func startPrograms() {
	runtime.LockOSThread()
	for start := range starting {
		start()
	}
}

func startProgram(cmd *exec.Cmd) error {
	started := make(chan error)
	starting <- func() { started <- cmd.Start() }
	return <-started
}
