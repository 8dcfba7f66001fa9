package interop

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

// actaWitness is a running witness of ours, with an Ed25519 and an ML-DSA-44 key.
type actaWitness struct {
	*program
	dir  string
	keys []string
	url  string
}

// newActaWitness starts a witness that follows the logs of the given keys.
func newActaWitness(t *testing.T, name string, logs ...string) *actaWitness {
	t.Helper()
	w := initActaWitness(t, name)
	w.program = run(t, filepath.Join(ours, "acta-witness"), "serve", "--dir", w.dir, "--listen", "127.0.0.1:0",
		"--policy", writeFile(t, "logs", followed(logs)))
	w.url = through(t, ofWitness, w.prints(t, `^listening on (http://.*)$`)[1])
	return w
}

func initActaWitness(t *testing.T, name string) *actaWitness {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "witness")
	good(t, filepath.Join(ours, "acta-witness"), "init", "--dir", dir, "--name", name)
	keys := strings.Fields(readFile(t, filepath.Join(dir, "witness.vkey")))
	if len(keys) != 2 {
		t.Fatalf("a witness has two keys by default, not %q", keys)
	}
	return &actaWitness{dir: dir, keys: keys}
}

// followed is the policy file that tells a witness of ours which logs there are.
func followed(logs []string) string {
	var policy strings.Builder
	for _, vkey := range logs {
		fmt.Fprintf(&policy, "log %s\n", vkey)
	}
	return policy.String() + "quorum none\n"
}

// policyLines name a witness with two keys that are one vote.
func policyLines(name string, keys []string, url string) string {
	return fmt.Sprintf("witness %[1]s-ed %[2]s %[4]s\nwitness %[1]s-pq %[3]s %[4]s\ngroup %[1]s any %[1]s-ed %[1]s-pq\n", name, keys[0],
		keys[1], url)
}

// answer is what a witness says to a request.
type answer struct {
	status int
	media  string
	body   string
}

// addCheckpoint asks a witness to cosign.
func addCheckpoint(t *testing.T, witness string, old int64, proof tlog.TreeProof, checkpoint string) answer {
	t.Helper()
	var body strings.Builder
	fmt.Fprintf(&body, "old %d\n", old)
	for _, hash := range proof {
		fmt.Fprintf(&body, "%s\n", hash)
	}
	return askWitness(t, witness, "/add-checkpoint", body.String()+"\n"+checkpoint)
}

func askWitness(t *testing.T, witness, path, body string) answer {
	t.Helper()
	response, err := client.Post(witness+path, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	media := response.Header.Get("Content-Type")
	status, text := whole(t, response, nil)
	return answer{status, media, text}
}

// Witnesses from elsewhere cosign heads of ours that a client sends to them with proofs that Go's library makes from our tiles.
func TestWitnessesFromElsewhereCosignOurHeads(t *testing.T) {
	log := newLog(t, "interop.example/cosigned")
	policy := "log " + log.vkey + "\nquorum none\n"
	log.serve(t, policy)
	lite, omni := newLitewitness(t, "litewitness.example/w", log), newOmniwitness(t, "omniwitness.example/w", log)
	old := int64(0)
	for _, more := range []int{0, 1, 299} { // the empty log too, and past a full tile
		for i := range more {
			log.add(t, fmt.Sprint(more, i))
		}
		signed := log.checkpoint(t)
		head := verifyCheckpoint(t, policy, signed)
		proof := consistency(t, log.url, head.Tree, old)
		cosigns(t, lite.url, log.vkey, []string{lite.vkey}, old, proof, signed)
		cosigns(t, omni.url, log.vkey, omni.keys, old, proof, signed)
		old = head.N
	}
	// Sent again with the size that came before, they tell the newest one.
	for _, witness := range []string{lite.url, omni.url} {
		if got := addCheckpoint(t, witness, 1, nil, log.checkpoint(t)); got != (answer{http.StatusConflict, "text/x.tlog.size", "300\n"}) {
			t.Fatalf("%v", got)
		}
	}
}

// cosigns asks a witness to cosign a head, which it must do with all of its keys.
func cosigns(t *testing.T, witness, log string, keys []string, old int64, proof tlog.TreeProof, head string) {
	t.Helper()
	got := addCheckpoint(t, witness, old, proof, head)
	if got.status != http.StatusOK {
		t.Fatalf("a witness refuses a head: %v\n%s", got, head)
	}
	if by := cosignedBy(t, head+got.body, log, keys...); len(by) != len(keys) {
		t.Fatalf("%v cosigned: %q", by, got.body)
	}
}

// consistency is a proof that a tree continues one of an old size.
func consistency(t *testing.T, url string, tree tlog.Tree, old int64) tlog.TreeProof {
	t.Helper()
	if old == 0 || old == tree.N {
		return nil
	}
	proof, err := tlog.ProveTree(tree.N, old, torchwood.TileHashReaderWithContext(t.Context(), tree, tileFetcher(t, url)))
	if err != nil {
		t.Fatal(err)
	}
	return proof
}
