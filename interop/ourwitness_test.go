package interop

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/torchwood"
	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func TestOurWitnessFollowsTheRules(t *testing.T) {
	log, logs := newMemoryLog(t, "memory.example/log"), newMemoryLogs(t)
	keys := []string{log.vkey}
	for _, first := range logs {
		keys = append(keys, first.vkey)
	}
	witness := newActaWitness(t, "acta-witness.example/w", keys...)
	wanted := func(r rule) int { return r.status }
	checkRules(t, log, witness.url, witness.keys, wanted)
	checkFirstRules(t, logs, witness.url, witness.keys, wanted)
	if got := askWitness(t, witness.url, "/nothing", ""); got.status != http.StatusNotFound {
		t.Errorf("%v", got)
	}
	if status, _ := get(t, witness.url+"/add-checkpoint"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET of add-checkpoint: %d", status)
	}
}

// What monitors read of our witness is the newest head, with the signatures of the log and of both keys.
func TestMonitorsReadWhatOurWitnessCosigned(t *testing.T) {
	log := newMemoryLog(t, "memory.example/log")
	witness := newActaWitness(t, "acta-witness.example/w", log.vkey)
	path := fmt.Sprintf("%s/%x/checkpoint", witness.url, sha256.Sum256([]byte(log.origin)))
	if status, body := get(t, path); status != http.StatusNotFound {
		t.Fatalf("before anything was cosigned: %d, %q", status, body)
	}
	for old, size := range map[int64]int64{0: 300} {
		log.growTo(t, size, "main")
		cosigns(t, witness.url, log.vkey, witness.keys, old, nil, log.head(t, size))
	}
	status, shown := get(t, path)
	if status != http.StatusOK || !strings.HasPrefix(shown, log.origin+"\n300\n") {
		t.Fatalf("%d, %q", status, shown)
	}
	if by := cosignedBy(t, shown, log.vkey, witness.keys...); len(by) != 2 {
		t.Fatalf("cosigned by %v:\n%s", by, shown)
	}
}

// A log may sign with ML-DSA-44 alone; our witness then cosigns it as it does others.
func TestOurWitnessFollowsALogWithAnMLDSAKey(t *testing.T) {
	log := newMLDSALog(t, "memory.example/pq")
	witness := newActaWitness(t, "acta-witness.example/w", log.vkey)
	log.growTo(t, 5, "main")
	first := addCheckpoint(t, witness.url, 0, nil, log.head(t, 5))
	log.growTo(t, 300, "main")
	second := addCheckpoint(t, witness.url, 5, log.proof(t, 5, 300), log.head(t, 300))
	for _, got := range []answer{first, second} {
		if got.status != http.StatusOK || strings.Count(got.body, "\n") != 2 {
			t.Fatalf("%v", got)
		}
	}
	policy := parsePolicy(t, "log "+log.vkey+"\n"+policyLines("acta", witness.keys, witness.url)+"quorum acta\n")
	if _, _, err := torchwood.VerifyCheckpoint([]byte(log.head(t, 300)+second.body), policy); err != nil {
		t.Fatal(err)
	}
}

// Our witness cosigns parts of a log on proofs that torchwood makes, and torchwood verifies what it signed.
func TestTorchwoodVerifiesTheSubtreesThatOurWitnessSigns(t *testing.T) {
	log := newMemoryLog(t, "memory.example/log")
	witness := newActaWitness(t, "acta-witness.example/w", log.vkey)
	log.growTo(t, 300, "main")
	head := log.head(t, 300)
	got := addCheckpoint(t, witness.url, 0, nil, head)
	if got.status != http.StatusOK {
		t.Fatalf("%v", got)
	}
	verifier, err := torchwood.NewCosignatureVerifier(witness.keys[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][2]int64{{0, 1}, {0, 300}, {0, 256}, {8, 13}, {256, 300}, {296, 300}, {128, 256}, {299, 300}} {
		start, end := part[0], part[1]
		hash, err := torchwood.SubtreeHash(start, end, log)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := torchwood.ProveSubtree(300, start, end, log)
		if err != nil {
			t.Fatal(err)
		}
		request := fmt.Sprintf("subtree %d %d\n%s\n%s\n%s%s", start, end, hash, lines(tlog.TreeProof(proof)), head, got.body)
		signed := askWitness(t, witness.url, "/sign-subtree", request)
		if signed.status != http.StatusOK || !verifier.VerifySubtree(log.origin, start, end, hash, []byte(signed.body)) {
			t.Fatalf("[%d, %d): %v", start, end, signed)
		}
		other := strings.Replace(request, hash.String(), tlog.RecordHash(nil).String(), 1)
		if signed := askWitness(t, witness.url, "/sign-subtree", other); signed.status != http.StatusUnprocessableEntity {
			t.Fatalf("[%d, %d) with another hash: %v", start, end, signed)
		}
	}
	if signed := askWitness(t, witness.url, "/sign-subtree", fmt.Sprintf("subtree 4 9\n%s\n\n%s%s", tlog.RecordHash(nil), head, got.body)); signed.status != http.StatusBadRequest {
		t.Fatalf("no part of a tree: %v", signed)
	}
}

// Tessera's log publishes with our witness, by either of its keys.
func TestOurWitnessCosignsTessera(t *testing.T) {
	log := newTessera(t, "tessera.example/log")
	witness := newActaWitness(t, "acta-witness.example/w", log.vkey)
	for i, key := range witness.keys {
		policy := "witness w " + key + " " + witness.url + "\nquorum w\n"
		log.add(t, policy, fmt.Sprint("one ", i), fmt.Sprint("two ", i), fmt.Sprint("three ", i))
		log.add(t, policy, fmt.Sprint("four ", i))
		if by := cosignedBy(t, log.checkpoint(t), log.vkey, key); len(by) != 1 {
			t.Fatalf("cosigned by %v:\n%s", by, log.checkpoint(t))
		}
	}
}

// Of a Tessera log that knows no witnesses, and is nothing but files, our witness is brought each head with a proof from the files.
func TestOurWitnessFollowsATesseraLogThatDoesNotAsk(t *testing.T) {
	log := newTessera(t, "tessera.example/silent")
	files := httptest.NewServer(http.FileServer(http.Dir(log.dir)))
	t.Cleanup(files.Close)
	witness := newActaWitness(t, "acta-witness.example/w", log.vkey)
	policy := writeFile(t, "logs", "log "+log.vkey+" "+through(t, ofFiles, files.URL)+"\nquorum none\n")
	for old, entries := range [][]string{{"one", "two", "three"}, {"four"}, make([]string, 300)} {
		for i := range entries {
			entries[i] += fmt.Sprint(old, i)
		}
		log.add(t, "", entries...)
		good(t, filepath.Join(ours, "acta-witness"), "follow", "--once", "--witness", witness.url, "--policy", policy)
		status, shown := get(t, fmt.Sprintf("%s/%x/checkpoint", witness.url, sha256.Sum256([]byte(log.origin))))
		head := log.checkpoint(t)
		if text := head[:strings.Index(head, "\n\n")]; status != http.StatusOK || !strings.HasPrefix(shown, text) {
			t.Fatalf("the log's head is\n%s\nand the witness shows\n%s", head, shown)
		}
		if by := cosignedBy(t, shown, log.vkey, witness.keys...); len(by) != 2 {
			t.Fatalf("cosigned by %v", by)
		}
	}
}

// A log may have more lines in its heads. Our witness cosigns them with both keys. The ML-DSA-44 signature does not cover them, which is for
// formats no reason to refuse it, and is one for torchwood.
func TestOfHeadsWithExtensionLinesTorchwoodTakesEd25519Only(t *testing.T) {
	log := newMemoryLog(t, "memory.example/log")
	witness := newActaWitness(t, "acta-witness.example/w", log.vkey)
	log.growTo(t, 5, "main")
	head := log.sign(t, torchwood.Checkpoint{Origin: log.origin, Tree: log.tree(t, 5), Extension: "one more line\n"})
	got := addCheckpoint(t, witness.url, 0, nil, head)
	if got.status != http.StatusOK {
		t.Fatalf("%v", got)
	}
	cosignedBy(t, head+got.body, log.vkey, witness.keys[0])
	for i, accepts := range []bool{true, false} {
		verifier, err := torchwood.NewCosignatureVerifier(witness.keys[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := note.Open([]byte(head+got.body), note.VerifierList(verifier)); (err == nil) != accepts {
			t.Errorf("torchwood, %s: %v", witness.keys[i][:60], err)
		}
		again, err := f_note.NewVerifierForCosignatureV1(witness.keys[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := note.Open([]byte(head+got.body), note.VerifierList(again)); err != nil {
			t.Errorf("formats, %s: %v", witness.keys[i][:60], err)
		}
	}
}
