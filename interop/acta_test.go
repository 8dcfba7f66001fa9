package interop

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// client talks to everything here. Nobody redirects.
var client = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// actaLog is a log of ours.
type actaLog struct {
	dir    string
	origin string
	vkey   string
	url    string // once it is served
	ops    string // for its operator
}

// newLog creates a log that takes in any bytes.
func newLog(t *testing.T, origin string) *actaLog {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	good(t, filepath.Join(ours, "acta-log"), "init", "--dir", dir, "--origin", origin, "--admission", "open")
	return &actaLog{dir: dir, origin: origin, vkey: strings.TrimSpace(readFile(t, filepath.Join(dir, "log.vkey")))}
}

// serve starts the log under a policy. Receipts wait briefly: what is not to be published must not hold a test up.
func (l *actaLog) serve(t *testing.T, policy string) *program {
	t.Helper()
	config := "[http]\nreceipt_timeout = \"3s\"\n"
	p := run(t, filepath.Join(ours, "acta-log"), "serve", "--dir", l.dir, "--listen", "127.0.0.1:0",
		"--ops-listen", "127.0.0.1:0", "--policy", writeFile(t, "policy", policy), "--config", writeFile(t, "acta-log.toml", config))
	l.url = through(t, ofLog, p.prints(t, `^listening on (http://.*)$`)[1])
	l.ops = p.prints(t, `^operations on (http://.*)$`)[1]
	return p
}

// serveOpen is serve, and waits until entries are taken in: that is so once enough witnesses have told what they saw last.
func (l *actaLog) serveOpen(t *testing.T, policy string) *program {
	t.Helper()
	p := l.serve(t, policy)
	eventually(t, "the log is ready", func() bool {
		status, _ := get(t, l.ops+"/readyz")
		return status == http.StatusOK
	})
	return p
}

// add adds an entry and gives its index.
func (l *actaLog) add(t *testing.T, entry string) int64 {
	t.Helper()
	status, body := post(t, l.url+"/add", entry)
	index, err := strconv.ParseInt(strings.TrimSuffix(body, "\n"), 10, 64)
	if status != http.StatusOK || err != nil {
		t.Fatalf("adding an entry: status %d, %q", status, body)
	}
	return index
}

// addBatch adds many entries at once.
func (l *actaLog) addBatch(t *testing.T, entries []string) {
	t.Helper()
	var body []byte
	for _, entry := range entries {
		body = binary.BigEndian.AppendUint16(body, uint16(len(entry)))
		body = append(body, entry...)
	}
	status, answer := post(t, l.url+"/add-batch", string(body))
	if lines := strings.Fields(answer); status != http.StatusOK || len(lines) != len(entries) || slices.ContainsFunc(lines, isNoIndex) {
		t.Fatalf("adding a batch: status %d, %q", status, answer)
	}
}

func isNoIndex(line string) bool {
	_, err := strconv.ParseUint(line, 10, 63)
	return err != nil
}

// receipt adds an entry and waits for its receipt; false if the log answered that there is none yet.
func (l *actaLog) receipt(t *testing.T, entry string) (string, bool) {
	t.Helper()
	status, body := post(t, l.url+"/add?receipt", entry)
	switch status {
	case http.StatusOK:
		return body, true
	case http.StatusAccepted:
		return "", false
	}
	t.Fatalf("adding an entry for a receipt: status %d, %q", status, body)
	return "", false
}

// mustReceipt adds an entry and gives its receipt, however long the witnesses take on a busy machine.
func (l *actaLog) mustReceipt(t *testing.T, entry string) string {
	t.Helper()
	receipt, ok := l.receipt(t, entry)
	if ok {
		return receipt
	}
	index := l.add(t, entry) // it is there already, so this only tells where
	eventually(t, "there is a receipt", func() (there bool) {
		var status int
		status, receipt = get(t, fmt.Sprintf("%s/proof/%d", l.url, index))
		return status == http.StatusOK
	})
	return receipt
}

// checkpoint is the head that the log publishes now.
func (l *actaLog) checkpoint(t *testing.T) string {
	t.Helper()
	status, body := get(t, l.url+"/checkpoint")
	if status != http.StatusOK {
		t.Fatalf("the log has no checkpoint: status %d, %q", status, body)
	}
	return body
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	response, err := client.Post(url, "application/octet-stream", strings.NewReader(body))
	return whole(t, response, err)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := client.Get(url)
	return whole(t, response, err)
}

func whole(t *testing.T, response *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// eventually asks again and again until something holds that nobody tells when it does.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// overwrite writes another text to a file.
func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeFile writes a file of this test's own, and gives its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
