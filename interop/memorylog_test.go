package interop

import (
	"crypto/mldsa"
	"crypto/rand"
	"fmt"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// memoryLog is a log made of Go's libraries alone. It can be made to show two histories, which no real one here can.
type memoryLog struct {
	origin string
	vkey   string
	signer note.Signer
	hashes []tlog.Hash // as tlog.StoredHashes numbers them
	size   int64
}

func newMemoryLog(t *testing.T, origin string) *memoryLog {
	t.Helper()
	private, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return &memoryLog{origin: origin, vkey: vkey, signer: signer}
}

// newMLDSALog is a log that signs its heads with an ML-DSA-44 cosignature key, as tlog-checkpoint advises.
func newMLDSALog(t *testing.T, origin string) *memoryLog {
	t.Helper()
	private, err := mldsa.GenerateKey(mldsa.MLDSA44())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := torchwood.NewCosignatureSigner(origin, private)
	if err != nil {
		t.Fatal(err)
	}
	return &memoryLog{origin: origin, vkey: signer.Verifier().String(), signer: signer}
}

// known are logs as witnesses are told of them.
func known(logs ...*memoryLog) []*actaLog {
	var told []*actaLog
	for _, log := range logs {
		told = append(told, &actaLog{origin: log.origin, vkey: log.vkey})
	}
	return told
}

// fork is the same log with another history from here on.
func (l *memoryLog) fork() *memoryLog {
	other := *l
	other.hashes = append([]tlog.Hash(nil), l.hashes...)
	return &other
}

func (l *memoryLog) grow(t *testing.T, entries ...string) {
	t.Helper()
	for _, entry := range entries {
		hashes, err := tlog.StoredHashes(l.size, []byte(entry), l)
		if err != nil {
			t.Fatal(err)
		}
		l.hashes = append(l.hashes, hashes...)
		l.size++
	}
}

// growTo adds entries, named after their history, up to a size.
func (l *memoryLog) growTo(t *testing.T, size int64, history string) {
	t.Helper()
	for l.size < size {
		l.grow(t, fmt.Sprintf("%s %d", history, l.size))
	}
}

// ReadHashes implements tlog.HashReader.
func (l *memoryLog) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, index := range indexes {
		hashes = append(hashes, l.hashes[index])
	}
	return hashes, nil
}

func (l *memoryLog) tree(t *testing.T, size int64) tlog.Tree {
	t.Helper()
	root, err := tlog.TreeHash(size, l)
	if err != nil {
		t.Fatal(err)
	}
	return tlog.Tree{N: size, Hash: root}
}

// head is the log's signed head of a size.
func (l *memoryLog) head(t *testing.T, size int64) string {
	t.Helper()
	return l.sign(t, torchwood.Checkpoint{Origin: l.origin, Tree: l.tree(t, size)})
}

func (l *memoryLog) sign(t *testing.T, checkpoint torchwood.Checkpoint) string {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: checkpoint.String()}, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

func (l *memoryLog) proof(t *testing.T, old, size int64) tlog.TreeProof {
	t.Helper()
	proof, err := tlog.ProveTree(size, old, l)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}
