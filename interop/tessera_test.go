package interop

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// tessera is a log from elsewhere: files that Tessera's posix-oneshot writes, once each time that it is run.
type tessera struct {
	dir    string
	key    string // path of its private key
	origin string
	vkey   string
}

func newTessera(t *testing.T, origin string) *tessera {
	t.Helper()
	private, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	return &tessera{dir: filepath.Join(t.TempDir(), "tessera"), key: writeFile(t, "key", private), origin: origin, vkey: vkey}
}

// add runs posix-oneshot: it adds entries, asks the witnesses of a policy, if there is one, and ends once a head with them is published.
func (l *tessera) add(t *testing.T, policy string, entries ...string) {
	t.Helper()
	if err := l.adding(t, policy, entries...).end(t); err != nil {
		t.Fatalf("posix-oneshot: %v", err)
	}
}

func (l *tessera) adding(t *testing.T, policy string, entries ...string) *program {
	t.Helper()
	dir := t.TempDir()
	for i, entry := range entries {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d", i)), []byte(entry), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--storage_dir", l.dir, "--private_key", l.key, "--entries", filepath.Join(dir, "*"), "--logtostderr"}
	if policy != "" {
		args = append(args, "--witness_policy_file", writeFile(t, "policy", policy))
	}
	return run(t, filepath.Join(theirs, "posix-oneshot"), args...)
}

func (l *tessera) checkpoint(t *testing.T) string {
	t.Helper()
	return readFile(t, filepath.Join(l.dir, "checkpoint"))
}

// What the two programs from elsewhere do together, as a measure of what ours must do with each of them.
func TestLitewitnessCosignsTessera(t *testing.T) {
	log := newTessera(t, "tessera.example/log")
	witness := newLitewitness(t, "litewitness.example/w", &actaLog{origin: log.origin, vkey: log.vkey})
	policy := "witness w " + witness.vkey + " " + witness.url + "\nquorum w\n"
	log.add(t, policy, "one", "two", "three")
	log.add(t, policy, "four")
	if by := cosignedBy(t, log.checkpoint(t), log.vkey, witness.vkey); len(by) != 1 {
		t.Fatalf("cosigned by %v:\n%s", by, log.checkpoint(t))
	}
}

// Our client audits Tessera's log as it lies there, under a policy with a witness from elsewhere, and makes receipts of it that torchwood
// verifies.
func TestOurClientReadsTessera(t *testing.T) {
	log := newTessera(t, "tessera.example/log")
	witness := newLitewitness(t, "litewitness.example/w", &actaLog{origin: log.origin, vkey: log.vkey})
	policy := "log " + log.vkey + "\nwitness w " + witness.vkey + " " + witness.url + "\nquorum w\n"
	var entries []string
	for i := range 300 {
		entries = append(entries, fmt.Sprintf("entry %03d", i))
	}
	log.add(t, policy, entries...)
	log.add(t, policy, "the last one")
	bundle := filepath.Join(log.dir, "tile", "entries", "000")
	overwrite(t, bundle, broken("their-bundle-byte", readFile(t, bundle)))
	file, acta := writeFile(t, "policy", policy), filepath.Join(ours, "acta")
	good(t, acta, "audit", "--log", log.dir, "--policy", file, "--state", t.TempDir())
	for index, entry := range map[string]string{"7": "entry 007", "299": "entry 299", "300": "the last one"} {
		receipt := filepath.Join(t.TempDir(), "receipt.tlog-proof")
		good(t, acta, "prove", index, "--log", log.dir, "--policy", file, "--no-cache", "--out", receipt)
		checkReceipt(t, policy, readFile(t, receipt), entry)
	}
}
