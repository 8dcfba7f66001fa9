package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"filippo.io/torchwood"
	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// verifyCheckpoint verifies a head of ours with torchwood under the policy file that the log is served with.
func verifyCheckpoint(t *testing.T, policy, signed string) torchwood.Checkpoint {
	t.Helper()
	checkpoint, _, err := torchwood.VerifyCheckpoint([]byte(signed), parsePolicy(t, policy))
	if err != nil {
		t.Fatalf("torchwood does not accept the head: %v\n%s", err, signed)
	}
	return checkpoint
}

func parsePolicy(t *testing.T, text string) torchwood.Policy {
	t.Helper()
	policy, err := torchwood.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatalf("torchwood does not read the policy: %v\n%s", err, text)
	}
	return policy
}

// cosignedBy verifies each line of a head that is of one of the keys, with both of the libraries that know cosignatures, and gives the keys
// that have one. Unknown lines are no error, bad ones are.
func cosignedBy(t *testing.T, signed string, log string, keys ...string) []string {
	t.Helper()
	logKey, err := note.NewVerifier(log)
	if err != nil {
		t.Fatal(err)
	}
	byTorchwood, byFormats := []note.Verifier{logKey}, []note.Verifier{logKey}
	for _, key := range keys {
		v, err := torchwood.NewCosignatureVerifier(key)
		if err != nil {
			t.Fatalf("torchwood does not read the key %s: %v", key, err)
		}
		byTorchwood = append(byTorchwood, v)
		f, err := f_note.NewVerifierForCosignatureV1(key)
		if err != nil {
			t.Fatalf("transparency-dev/formats does not read the key %s: %v", key, err)
		}
		byFormats = append(byFormats, f)
	}
	var signers [2][]string
	for i, verifiers := range [][]note.Verifier{byTorchwood, byFormats} {
		opened, err := note.Open([]byte(signed), note.VerifierList(verifiers...))
		if err != nil {
			t.Fatalf("the head does not verify: %v\n%s", err, signed)
		}
		for _, signature := range opened.Sigs {
			for k, v := range verifiers[1:] {
				if v.Name() == signature.Name && v.KeyHash() == signature.Hash {
					signers[i] = append(signers[i], keys[k])
				}
			}
		}
	}
	if !slices.Equal(signers[0], signers[1]) {
		t.Fatalf("the two libraries differ about who cosigned: %v and %v", signers[0], signers[1])
	}
	return signers[0]
}

// torchwood's client reads every entry of a log of ours through its tiles, each hashed up to the verified head.
func TestTorchwoodReadsAndAuthenticatesOurTiles(t *testing.T) {
	log := newLog(t, "interop.example/tiles")
	policy := "log " + log.vkey + "\nquorum none\n"
	log.serve(t, policy)
	var entries []string
	for i := range 600 { // two full tiles and a part of one, at two levels
		entries = append(entries, fmt.Sprintf("decision %d", i))
	}
	entries[300] = strings.Repeat("long", 16383)
	log.addBatch(t, entries)

	head := verifyCheckpoint(t, policy, log.checkpoint(t))
	if head.N != int64(len(entries)) || head.Origin != log.origin {
		t.Fatalf("the head is of %d entries of %s", head.N, head.Origin)
	}
	for i, entry := range readAll(t, log.url, head.Tree) {
		if entry != entries[i] {
			t.Fatalf("entry %d is %q", i, entry)
		}
	}
	// A proof that they build themselves, from our tiles, of a record that is not the last of its tile.
	fetcher := tileFetcher(t, log.url)
	hashes := torchwood.TileHashReaderWithContext(context.Background(), head.Tree, fetcher)
	proof, err := tlog.ProveRecord(head.N, 300, hashes)
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckRecord(proof, head.N, head.Hash, 300, tlog.RecordHash([]byte(entries[300]))); err != nil {
		t.Fatal(err)
	}
}

func readAll(t *testing.T, url string, tree tlog.Tree) []string {
	t.Helper()
	reader, err := torchwood.NewClient(tileFetcher(t, url))
	if err != nil {
		t.Fatal(err)
	}
	var entries []string
	for index, entry := range reader.AllEntries(context.Background(), tree, 0) {
		if index != int64(len(entries)) {
			t.Fatalf("entry %d came after %d entries", index, len(entries))
		}
		entries = append(entries, string(entry))
	}
	if err := reader.Err(); err != nil {
		t.Fatalf("torchwood does not read the log: %v", err)
	}
	if int64(len(entries)) != tree.N {
		t.Fatalf("torchwood read %d of %d entries", len(entries), tree.N)
	}
	return entries
}

func tileFetcher(t *testing.T, url string) *torchwood.TileFetcher {
	t.Helper()
	fetcher, err := torchwood.NewTileFetcher(url, torchwood.WithHTTPClient(client), torchwood.WithUserAgent("acta-interop"))
	if err != nil {
		t.Fatal(err)
	}
	return fetcher
}

// Our receipts are tlog-proof files, and torchwood verifies them, and refuses them for anything but their own entry.
func TestTorchwoodVerifiesOurReceipts(t *testing.T) {
	log := newLog(t, "interop.example/receipts")
	policy := "log " + log.vkey + "\nquorum none\n"
	log.serve(t, policy)
	for i := range 300 {
		log.add(t, fmt.Sprint(i))
	}
	receipt := log.mustReceipt(t, "the decision")
	checkReceipt(t, policy, receipt, "the decision")
	// the same proof, fetched later
	status, later := get(t, log.url+"/proof/300")
	if status != http.StatusOK {
		t.Fatalf("status %d, %q", status, later)
	}
	checkReceipt(t, policy, later, "the decision")
	// what they print is what we print
	if again := reprint(t, receipt); again != receipt {
		t.Fatalf("torchwood prints the receipt otherwise:\n%s\ninstead of\n%s", again, receipt)
	}
}

// checkReceipt verifies a receipt with torchwood under a policy, and that it proves nothing else.
func checkReceipt(t *testing.T, policy, receipt, entry string) {
	t.Helper()
	accept := parsePolicy(t, policy)
	if err := torchwood.VerifyProof(accept, tlog.RecordHash([]byte(entry)), []byte(receipt)); err != nil {
		t.Fatalf("torchwood does not accept the receipt: %v\n%s", err, receipt)
	}
	extra, err := torchwood.ProofExtraData([]byte(receipt))
	if err != nil || string(extra) != entry {
		t.Fatalf("the receipt carries %q instead of its entry (%v)", extra, err)
	}
	var unproven *torchwood.VerifyRecordError
	if err := torchwood.VerifyProof(accept, tlog.RecordHash([]byte(entry+"?")), []byte(receipt)); !errors.As(err, &unproven) {
		t.Fatalf("the receipt proves another entry: %v", err)
	}
}

// reprint takes a receipt apart and lets torchwood put it together again.
func reprint(t *testing.T, receipt string) string {
	t.Helper()
	head, checkpoint, _ := strings.Cut(receipt, "\n\n")
	lines := strings.Split(head, "\n")
	extra, err := torchwood.ProofExtraData([]byte(receipt))
	if err != nil {
		t.Fatal(err)
	}
	var index int64
	if _, err := fmt.Sscanf(lines[2], "index %d", &index); err != nil {
		t.Fatal(err)
	}
	var hashes tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, hash)
	}
	return string(torchwood.FormatProofWithExtraData(index, extra, hashes, []byte(checkpoint)))
}

// The signatures of our heads are those of signed notes: the library of Go's checksum database opens them, and refuses them once altered.
func TestGosNoteLibraryOpensOurHeads(t *testing.T) {
	log := newLog(t, "interop.example/notes")
	log.serve(t, "log "+log.vkey+"\nquorum none\n")
	log.add(t, "one")
	signed := log.checkpoint(t)
	key, err := note.NewVerifier(log.vkey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open([]byte(signed), note.VerifierList(key)); err != nil {
		t.Fatal(err)
	}
	altered := bytes.Replace([]byte(signed), []byte("\n1\n"), []byte("\n2\n"), 1)
	if _, err := note.Open(altered, note.VerifierList(key)); err == nil {
		t.Fatal("an altered head is accepted")
	}
}
