package interop

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	tclient "github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
)

// Tessera's client follows our log from head to head, reads its entries, and builds proofs from our tiles, each of which the verifier of
// transparency-dev/merkle accepts.
func TestTesserasClientReadsOurLog(t *testing.T) {
	log := newLog(t, "interop.example/tessera-client")
	log.serveOpen(t, fmt.Sprintf("log %s\nquorum none\n", log.vkey))
	verifier, err := note.NewVerifier(log.vkey)
	if err != nil {
		t.Fatal(err)
	}
	root, err := url.Parse(log.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	source, err := tclient.NewHTTPFetcher(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	tracker, err := tclient.NewLogStateTracker(ctx, source.ReadTile, nil, verifier, log.origin, tclient.UnilateralConsensus(source.ReadCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, size := range []int{1, 255, 256, 700} {
		entries := []string{}
		for ; count < size; count++ {
			entries = append(entries, fmt.Sprintf("entry %d", count))
		}
		log.addBatch(t, entries)
		// This proves that the new head continues the last one.
		if _, _, _, err := tracker.Update(ctx); err != nil {
			t.Fatalf("at %d entries: %v", size, err)
		}
		head := tracker.Latest()
		if head.Size != uint64(size) {
			t.Fatalf("the head has %d entries, not %d", head.Size, size)
		}
		builder, err := tclient.NewProofBuilder(ctx, head.Size, source.ReadTile)
		if err != nil {
			t.Fatal(err)
		}
		for index := uint64(0); index < head.Size; index += 31 {
			path, err := builder.InclusionProof(ctx, index)
			if err != nil {
				t.Fatal(err)
			}
			leaf := rfc6962.DefaultHasher.HashLeaf(fmt.Appendf(nil, "entry %d", index))
			if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, head.Size, leaf, path, head.Hash); err != nil {
				t.Fatalf("entry %d of %d: %v", index, head.Size, err)
			}
		}
	}
	bundle, err := tclient.GetEntryBundle(ctx, source.ReadEntryBundle, 2, 700)
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range bundle.Entries {
		if want := fmt.Sprintf("entry %d", 512+i); string(entry) != want {
			t.Fatalf("%q is at the place of %q", entry, want)
		}
	}
}

// Tessera's fsck reads all of our log over HTTP and hashes it up to the head, and it does notice when a byte is another one.
func TestTesserasFsckChecksOurLog(t *testing.T) {
	log := newLog(t, "interop.example/fsck")
	p := log.serveOpen(t, fmt.Sprintf("log %s\nquorum none\n", log.vkey))
	for start := 0; start < 70_000; start += 4000 {
		entries := make([]string, 4000)
		for i := range entries {
			entries[i] = fmt.Sprintf("entry %d", start+i)
		}
		log.addBatch(t, entries)
	}
	fsck(t, log, log.url+"/").endsWell(t)
	p.stop(t)
	tree := filepath.Join(t.TempDir(), "tree")
	good(t, filepath.Join(ours, "acta-log"), "export", "--dir", log.dir, "--out", tree)
	fsck(t, log, "file://"+tree+"/").endsWell(t)

	file := filepath.Join(tree, "tile", "entries", "007")
	bundle := []byte(readFile(t, file))
	changed := bytes.Replace(bundle, []byte("entry 1800"), []byte("entry 9800"), 1)
	if bytes.Equal(bundle, changed) {
		t.Fatal("there is no entry 1800 in bundle 7")
	}
	if err := os.WriteFile(file, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	// It says so and then does not come to an end (v1.0.4); the test ends it.
	fsck(t, log, "file://"+tree+"/").prints(t, `:Invalid`)
}

type checking struct{ *program }

// fsck starts Tessera's fsck, which exits with 0 whatever it finds.
func fsck(t *testing.T, log *actaLog, url string) checking {
	t.Helper()
	vkey := writeFile(t, "vkey", log.vkey)
	return checking{run(t, filepath.Join(theirs, "fsck"), "--storage_url", url, "--public_key", vkey, "--ui=false", "--N", "2", "--logtostderr", "-v", "1")}
}

func (c checking) endsWell(t *testing.T) {
	t.Helper()
	if found := c.printsOrEnds(t, regexp.MustCompile(`.*(fsck failed|Invalid).*`)); found != nil {
		t.Fatalf("fsck found something: %s", found[0])
	}
	if err := c.end(t); err != nil {
		t.Fatalf("fsck: %v", err)
	}
}
