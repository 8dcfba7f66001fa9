package interop

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// finding is what our monitor says of a log, as far as it matters here.
type finding struct {
	Code     string `json:"code"`
	Evidence string `json:"evidence"`
}

// checkedBy lets our monitor look once at a log, with what it kept in a state directory; gives its exit code and findings.
func checkedBy(t *testing.T, policy, url, state string) (int, []finding) {
	t.Helper()
	cmd := exec.Command(filepath.Join(ours, "acta-monitor"), "check", "--policy", policy, "--log", url, "--state", state, "--json")
	var said strings.Builder
	cmd.Stderr = &said
	printed, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	var findings []finding
	for line := range strings.Lines(string(printed)) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%q: %v\n%s", line, err, said.String())
		}
		findings = append(findings, f)
	}
	t.Logf("acta-monitor check: exit %d, %v\n%s", cmd.ProcessState.ExitCode(), findings, said.String())
	return cmd.ProcessState.ExitCode(), findings
}

func has(findings []finding, code string) bool {
	return slices.ContainsFunc(findings, func(f finding) bool { return f.Code == code })
}

// newWatched is a Tessera log of 300 entries that know nothing of us, its files served, and a policy of its key.
func newWatched(t *testing.T, origin string) (log *tessera, policy, url string) {
	t.Helper()
	log = newTessera(t, origin)
	entries := make([]string, 300)
	for i := range entries {
		entries[i] = strings.Repeat("entry ", i%7+1) + string(rune('a'+i%26)) + strings.Repeat(".", i)
	}
	log.add(t, "", entries...)
	// The directory is asked for each time: a test may put another one in its place.
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.FileServer(http.Dir(log.dir)).ServeHTTP(w, r)
	}))
	t.Cleanup(files.Close)
	return log, writeFile(t, "policy", "log "+log.vkey+"\nquorum none\n"), files.URL
}

// Our monitor reads a Tessera log, follows it as it grows, and has nothing to say but that it does not understand the entries. When a byte of an
// entry is another one it says so.
func TestOurMonitorReadsTesseraAndFindsAChangedByte(t *testing.T) {
	log, policy, url := newWatched(t, "tessera.example/watched")
	state := t.TempDir()
	for range 2 {
		if code, findings := checkedBy(t, policy, url, state); code != 0 || slices.ContainsFunc(findings, accuses) {
			t.Fatalf("of a good log: exit %d, %v", code, findings)
		}
		log.add(t, "", "and one more")
	}
	bundle := filepath.Join(log.dir, "tile", "entries", "000")
	whole := readFile(t, bundle)
	if broken("change-left-out", "changed") == "changed" {
		overwrite(t, bundle, lastByte(whole))
	}
	code, findings := checkedBy(t, policy, url, t.TempDir())
	if code != 1 || !has(findings, "log.wrong-bytes") {
		t.Fatalf("of a log with another byte: exit %d, %v", code, findings)
	}
}

func accuses(f finding) bool { return f.Code != "monitor.not-understood" }

// Of two copies of a Tessera log that went on apart our monitor has seen one. When it is shown the other it finds a fork, with evidence by which
// `acta verify --evidence` convicts the log.
func TestOurMonitorConvictsAForkedTessera(t *testing.T) {
	log, policy, url := newWatched(t, "tessera.example/forked")
	copied := *log
	copied.dir = filepath.Join(t.TempDir(), "copy")
	good(t, "cp", "-a", log.dir, copied.dir)
	log.add(t, "", "one", "two")
	copied.add(t, "", "another one", "another two", "another three")
	state := t.TempDir()
	if code, findings := checkedBy(t, policy, url, state); code != 0 {
		t.Fatalf("of one history: exit %d, %v", code, findings)
	}
	if broken("second-history-hidden", "second") == "second" {
		log.dir = copied.dir
	}
	code, findings := checkedBy(t, policy, url, state)
	if code != 1 || !has(findings, "log.fork") {
		t.Fatalf("of two histories: exit %d, %v", code, findings)
	}
	fork := findings[slices.IndexFunc(findings, func(f finding) bool { return f.Code == "log.fork" })]
	evidence, err := filepath.Glob(filepath.Join(state, "evidence", "*", fork.Evidence))
	if err != nil || fork.Evidence == "" || len(evidence) != 1 {
		t.Fatalf("evidence %q: %v, %v", fork.Evidence, evidence, err)
	}
	good(t, filepath.Join(ours, "acta"), "verify", "--evidence", evidence[0], "--log-key", writeFile(t, "log.vkey", log.vkey+"\n"))
}
