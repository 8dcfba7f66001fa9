package interop

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

// rule is a request to a witness that follows a log and has cosigned its first five entries, with the answer that tlog-witness demands.
type rule struct {
	name   string
	body   string
	status int
	// What litewitness v0.10.0 answers instead, where it differs.
	litewitness int
}

// conflict is the body of an answer 409 here.
const conflict = "5\n"

// rules are the checks of tlog-witness section add-checkpoint, one request for each, none of them the first thing that is wrong with it.
func rules(t *testing.T, log *memoryLog) []rule {
	t.Helper()
	other := newMemoryLog(t, "unknown.example/log")
	other.growTo(t, 7, "other")
	impostor := newMemoryLog(t, log.origin) // the same name, another key
	impostor.growTo(t, 7, "main")
	forked := log.fork()
	log.growTo(t, 7, "main")
	forked.growTo(t, 7, "fork")
	split := newMemoryLog(t, log.origin)
	split.signer, split.vkey = log.signer, log.vkey
	split.growTo(t, 7, "split")

	head := log.head(t, 7)
	good := lines(log.proof(t, 5, 7))
	signature := head[strings.LastIndex(head, "\n\n")+2:]
	altered := strings.Replace(head, "\n7\n", "\n6\n", 1)
	anotherRoot := log.sign(t, torchwood.Checkpoint{Origin: log.origin, Tree: tlog.Tree{N: 0, Hash: log.tree(t, 5).Hash}})
	empty := log.head(t, 0)
	return []rule{
		{name: "nothing", body: "", status: 400},
		{name: "no old size", body: "\n" + head, status: 400},
		{name: "leading zero", body: "old 05\n" + good + "\n" + head, status: 400, litewitness: 200},
		{name: "plus sign", body: "old +5\n" + good + "\n" + head, status: 400, litewitness: 200},
		{name: "two spaces", body: "old  5\n" + good + "\n" + head, status: 400},
		{name: "carriage return", body: "old 5\r\n" + good + "\n" + head, status: 400},
		{name: "more than the old size", body: "old 5 5\n" + good + "\n" + head, status: 400},
		{name: "hash of 31 bytes", body: "old 5\n" + strings.Repeat("A", 40) + "AA==\n\n" + head, status: 400},
		{name: "hash without padding", body: "old 5\n" + strings.Repeat("A", 43) + "\n\n" + head, status: 400},
		{name: "64 hashes", body: "old 5\n" + strings.Repeat(lines(log.proof(t, 5, 7))[:45], 64) + "\n" + head, status: 400},
		{name: "no empty line", body: "old 5\n" + good + head, status: 400},
		{name: "no signature at all", body: "old 5\n" + good + "\n" + strings.TrimSuffix(head, signature), status: 400},
		{name: "no final newline", body: "old 5\n" + good + "\n" + strings.TrimSuffix(head, "\n"), status: 400},
		{name: "unknown log", body: "old 0\n\n" + other.head(t, 7), status: 404},
		{name: "unknown log, and a size that cannot be", body: "old 9\n\n" + other.head(t, 7), status: 404},
		{name: "another key of the same name", body: "old 5\n" + good + "\n" + impostor.head(t, 7), status: 403},
		{name: "altered after signing", body: "old 5\n" + good + "\n" + altered, status: 403},
		{name: "old size above the new one", body: "old 8\n\n" + head, status: 400},
		{name: "old size below the cosigned one", body: "old 4\n" + lines(log.proof(t, 4, 7)) + "\n" + head, status: 409},
		{name: "old size zero, to be told the size", body: "old 0\n\n" + head, status: 409},
		{name: "old size above the cosigned one", body: "old 6\n" + lines(log.proof(t, 6, 7)) + "\n" + head, status: 409},
		{name: "empty log again", body: "old 0\n\n" + empty, status: 409},
		{name: "old size zero with a proof", body: "old 0\n" + good + "\n" + head, status: 409},
		{name: "old size above the size of an older head", body: "old 5\n\n" + log.head(t, 3), status: 400},
		{name: "root of the empty log", body: "old 0\n\n" + anotherRoot, status: 409},
		{name: "proof of another history", body: "old 5\n" + lines(split.proof(t, 5, 7)) + "\n" + split.head(t, 7), status: 422},
		{name: "no proof", body: "old 5\n\n" + head, status: 422},
		{name: "proof with one hash too many", body: "old 5\n" + good + good[:45] + "\n" + head, status: 422},
		{name: "proof with one hash too few", body: "old 5\n" + good[45:] + "\n" + head, status: 422},
		{name: "same size, other root", body: "old 5\n\n" + split.head(t, 5), status: 422},
		{name: "same size with a proof", body: "old 5\n" + good + "\n" + log.head(t, 5), status: 422},
		{name: "the same head again", body: "old 5\n\n" + log.head(t, 5), status: 200},
		{name: "unknown signatures beside", body: "old 5\n\n" + log.head(t, 5) + signatureOf(impostor.head(t, 5)), status: 200},
		{name: "the next head", body: "old 5\n" + good + "\n" + head, status: 200},
	}
}

func lines(proof tlog.TreeProof) string {
	var text strings.Builder
	for _, hash := range proof {
		fmt.Fprintf(&text, "%s\n", hash)
	}
	return text.String()
}

func signatureOf(head string) string {
	return head[strings.LastIndex(head, "\n\n")+2:]
}

// checkRules asks a witness one thing after another, and the answers must be those that are wanted.
func checkRules(t *testing.T, log *memoryLog, witness string, keys []string, wanted func(rule) int) {
	t.Helper()
	log.growTo(t, 5, "main")
	if got := addCheckpoint(t, witness, 0, nil, log.head(t, 5)); got.status != http.StatusOK {
		t.Fatalf("the first head: %v", got)
	}
	for _, r := range rules(t, log) {
		if r.litewitness == http.StatusOK && wanted(r) == http.StatusOK {
			continue // it would move the witness on
		}
		got := askWitness(t, witness, "/add-checkpoint", r.body)
		if got.status != wanted(r) {
			t.Errorf("%s: %d instead of %d: %v", r.name, got.status, wanted(r), got)
			continue
		}
		if got.status == http.StatusConflict && (got.media != "text/x.tlog.size" || got.body != conflict) {
			t.Errorf("%s: the size is told as %v", r.name, got)
		}
		checkLines(t, r, got, log.vkey, keys)
	}
}

// firstRules are those for a log of which nothing was cosigned yet: each request is about a log of its own.
func firstRules(t *testing.T, logs []*memoryLog) []rule {
	t.Helper()
	for _, log := range logs {
		log.growTo(t, 5, "main")
	}
	other := torchwood.Checkpoint{Origin: logs[1].origin, Tree: tlog.Tree{N: 0, Hash: logs[1].tree(t, 5).Hash}}
	return []rule{
		{name: "a proof from nothing", body: "old 0\n" + lines(logs[0].proof(t, 3, 5)) + "\n" + logs[0].head(t, 5), status: 422, litewitness: 200},
		{name: "an empty log with another root", body: "old 0\n\n" + logs[1].sign(t, other), status: 422, litewitness: 200},
		{name: "a proof from something", body: "old 3\n" + lines(logs[2].proof(t, 3, 5)) + "\n" + logs[2].head(t, 5), status: 409},
		{name: "an empty log", body: "old 0\n\n" + logs[3].head(t, 0), status: 200},
		{name: "a first head", body: "old 0\n\n" + logs[4].head(t, 5), status: 200},
	}
}

func newMemoryLogs(t *testing.T) []*memoryLog {
	t.Helper()
	var logs []*memoryLog
	for i := range 5 {
		logs = append(logs, newMemoryLog(t, fmt.Sprintf("memory.example/log-%d", i)))
	}
	return logs
}

func checkFirstRules(t *testing.T, logs []*memoryLog, witness string, keys []string, wanted func(rule) int) {
	t.Helper()
	for i, r := range firstRules(t, logs) {
		got := askWitness(t, witness, "/add-checkpoint", r.body)
		if got.status != wanted(r) {
			t.Errorf("%s: %d instead of %d: %v", r.name, got.status, wanted(r), got)
			continue
		}
		checkLines(t, r, got, logs[i].vkey, keys)
	}
}

// checkLines verifies what came with a good answer.
func checkLines(t *testing.T, r rule, got answer, log string, keys []string) {
	t.Helper()
	if got.status != http.StatusOK {
		return
	}
	_, head, _ := strings.Cut(r.body, "\n\n")
	if by := cosignedBy(t, head+got.body, log, keys...); len(by) != len(keys) {
		t.Errorf("%s: cosigned by %v", r.name, by)
	}
}

// The rules hold for litewitness, but for what is listed: so they are not only our reading of the specification.
func TestLitewitnessFollowsTheRules(t *testing.T) {
	log, logs := newMemoryLog(t, "memory.example/log"), newMemoryLogs(t)
	witness := newLitewitness(t, "litewitness.example/w", known(append(logs, log)...)...)
	wanted := func(r rule) int {
		if r.litewitness != 0 {
			return r.litewitness
		}
		return r.status
	}
	checkRules(t, log, witness.url, []string{witness.vkey}, wanted)
	checkFirstRules(t, logs, witness.url, []string{witness.vkey}, wanted)
}
