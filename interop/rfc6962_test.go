package interop

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ct "github.com/google/certificate-transparency-go"
	ctclient "github.com/google/certificate-transparency-go/client"
	"github.com/google/certificate-transparency-go/jsonclient"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// newCtLog is a log of ours that also signs heads as RFC 6962 has them; gives the public key in PEM.
func newCtLog(t *testing.T, origin string) (*actaLog, string) {
	t.Helper()
	log := newLog(t, origin)
	good(t, filepath.Join(ours, "acta-log"), "ct-key", "--dir", log.dir)
	log.serveOpen(t, fmt.Sprintf("log %s\nquorum none\n", log.vkey))
	return log, readFile(t, filepath.Join(log.dir, "ct.pem"))
}

func ctClient(t *testing.T, url, publicKey string) *ctclient.LogClient {
	t.Helper()
	c, err := ctclient.New(url, client, jsonclient.Options{PublicKey: publicKey})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The client of Certificate Transparency's Go implementation reads our log: heads, entries, both kinds of proofs, each verified by that
// project's verifier. Leaves are not looked into: they are no certificates.
func TestCertificateTransparencyClientReadsOurLog(t *testing.T) {
	log, publicKey := newCtLog(t, "interop.example/ct")
	c := ctClient(t, log.url, publicKey)
	ctx := context.Background()
	var heads []*ct.SignedTreeHead
	count := 0
	for _, size := range []int{1, 2, 255, 256, 300} {
		for ; count < size; count++ {
			log.add(t, fmt.Sprintf("entry %d", count))
		}
		// The signature is verified with the public key.
		sth, err := c.GetSTH(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if sth.TreeSize != uint64(size) {
			t.Fatalf("the head has %d entries, not %d", sth.TreeSize, size)
		}
		heads = append(heads, sth)
	}
	for i, second := range heads {
		for _, first := range heads[:i+1] {
			path, err := c.GetSTHConsistency(ctx, first.TreeSize, second.TreeSize)
			if err != nil {
				t.Fatal(err)
			}
			err = proof.VerifyConsistency(rfc6962.DefaultHasher, first.TreeSize, second.TreeSize, path, first.SHA256RootHash[:], second.SHA256RootHash[:])
			if err != nil {
				t.Fatalf("from %d to %d: %v", first.TreeSize, second.TreeSize, err)
			}
		}
	}
	head := heads[len(heads)-1]
	for index := int64(0); index < int64(head.TreeSize); {
		raw, err := c.GetRawEntries(ctx, index, int64(head.TreeSize)-1)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range raw.Entries {
			if want := fmt.Sprintf("entry %d", index); string(entry.LeafInput) != want {
				t.Fatalf("entry %d is %q", index, entry.LeafInput)
			}
			leaf := rfc6962.DefaultHasher.HashLeaf(entry.LeafInput)
			byHash, err := c.GetProofByHash(ctx, leaf, head.TreeSize)
			if err != nil {
				t.Fatal(err)
			}
			if byHash.LeafIndex != index {
				t.Fatalf("entry %d is said to be at %d", index, byHash.LeafIndex)
			}
			err = proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), head.TreeSize, leaf, byHash.AuditPath, head.SHA256RootHash[:])
			if err != nil {
				t.Fatalf("entry %d: %v", index, err)
			}
			index++
		}
	}
	both, err := c.GetEntryAndProof(ctx, 7, head.TreeSize)
	if err != nil {
		t.Fatal(err)
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(both.LeafInput)
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, 7, head.TreeSize, leaf, both.AuditPath, head.SHA256RootHash[:]); err != nil {
		t.Fatal(err)
	}
}

// With another log's key the client refuses our heads, and it understands our errors.
func TestCertificateTransparencyClientRefusesAnotherKeyAndUnderstandsErrors(t *testing.T) {
	log, publicKey := newCtLog(t, "interop.example/ct-errors")
	_, other := newCtLog(t, "interop.example/ct-other")
	log.add(t, "entry 0")
	ctx := context.Background()
	if _, err := ctClient(t, log.url, other).GetSTH(ctx); err == nil {
		t.Fatal("a head was accepted under another log's key")
	}
	c := ctClient(t, log.url, publicKey)
	for _, call := range []struct {
		name   string
		status int
		err    error
	}{
		{"consistency from nothing", http.StatusBadRequest, second(c.GetSTHConsistency(ctx, 0, 1))},
		{"a tree that is not there yet", http.StatusBadRequest, second(c.GetSTHConsistency(ctx, 1, 2))},
		{"an unknown leaf", http.StatusNotFound, second(c.GetProofByHash(ctx, make([]byte, 32), 1))},
		{"an entry that is not there yet", http.StatusBadRequest, second(c.GetRawEntries(ctx, 5, 6))},
	} {
		var answer jsonclient.RspError
		if !errors.As(call.err, &answer) || answer.StatusCode != call.status || !bytes.Contains(answer.Body, []byte(`"error_message"`)) {
			t.Errorf("%s: %v", call.name, call.err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A script of thirty lines, which knows RFC 6962 and a library for signatures and nothing of ours, verifies a head.
func TestPythonVerifiesOurTreeHead(t *testing.T) {
	python := os.Getenv("ACTA_PYTHON")
	if python == "" {
		t.Skip("ACTA_PYTHON does not name a Python that has the package cryptography: scripts/interop.sh sets it")
	}
	log, publicKey := newCtLog(t, "interop.example/ct-python")
	log.add(t, "entry 0")
	block, _ := pem.Decode([]byte(publicKey))
	if block == nil || block.Type != "PUBLIC KEY" {
		t.Fatalf("not a public key: %s", publicKey)
	}
	_, sth := get(t, log.url+"/ct/v1/get-sth")
	script, err := filepath.Abs("rfc6962.py")
	if err != nil {
		t.Fatal(err)
	}
	check := func(sth string) (string, error) {
		cmd := exec.Command(python, script, writeFile(t, "ct.pem", publicKey))
		cmd.Stdin = strings.NewReader(sth)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(sth); err != nil || !strings.HasPrefix(out, "good: 1 entries") {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := check(strings.Replace(sth, `"tree_size":1`, `"tree_size":2`, 1)); err == nil {
		t.Fatalf("a head of another size was accepted: %s", out)
	}
}
