package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// The sizes at which each log is cosigned: for the first time, and then with a proof of eight hashes.
var sizes = [...]int64{0, 300, 450}

// log is one of many logs with the same entries. What a witness does depends on how many there are, not on what they are.
type log struct {
	origin string
	secret ed25519.PrivateKey
	hash   []byte // of the key, as signed-note has it
}

func newLog(number int) log {
	var seed [ed25519.SeedSize]byte
	binary.BigEndian.PutUint64(seed[:], uint64(number))
	l := log{origin: fmt.Sprintf("log%d.test/2026", number), secret: ed25519.NewKeyFromSeed(seed[:])}
	hash := sha256.Sum256(append([]byte(l.origin+"\n"), l.key()...))
	l.hash = hash[:4]
	return l
}

// key is the public key behind the byte for Ed25519.
func (l log) key() []byte {
	return append([]byte{1}, l.secret.Public().(ed25519.PublicKey)...)
}

func (l log) vkey() string {
	return fmt.Sprintf("%s+%x+%s", l.origin, l.hash, base64.StdEncoding.EncodeToString(l.key()))
}

// tree has the entries of all logs.
type tree struct {
	hashes []tlog.Hash // as tlog.StoredHashes numbers them
}

func newTree(size int64) (*tree, error) {
	t := &tree{}
	for number := range size {
		hashes, err := tlog.StoredHashes(number, fmt.Appendf(nil, "entry %d", number), t)
		if err != nil {
			return nil, err
		}
		t.hashes = append(t.hashes, hashes...)
	}
	return t, nil
}

// ReadHashes implements tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = t.hashes[index]
	}
	return hashes, nil
}

// step is what all logs have in common when they grow from one size to another.
type step struct {
	old, size int64
	root      tlog.Hash
	proof     string
}

func (t *tree) step(old, size int64) (step, error) {
	root, err := tlog.TreeHash(size, t)
	if err != nil || old == 0 {
		return step{size: size, root: root}, err
	}
	proof, err := tlog.ProveTree(size, old, t)
	if err != nil {
		return step{}, err
	}
	var lines strings.Builder
	for _, hash := range proof {
		lines.WriteString(hash.String() + "\n")
	}
	return step{old, size, root, lines.String()}, nil
}

// request is the whole add-checkpoint request of a log for a step, signed.
func (l log) request(s step) []byte {
	text := fmt.Sprintf("%s\n%d\n%s\n", l.origin, s.size, s.root)
	signature := append(append([]byte(nil), l.hash...), ed25519.Sign(l.secret, []byte(text))...)
	body := fmt.Sprintf("old %d\n%s\n%s\n— %s %s\n", s.old, s.proof, text, l.origin, base64.StdEncoding.EncodeToString(signature))
	return fmt.Appendf(nil, "POST /add-checkpoint HTTP/1.1\r\nHost: witness.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
