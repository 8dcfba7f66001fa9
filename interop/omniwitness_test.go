package interop

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"testing"

	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/witness/persistence/inmemory"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"

	"filippo.io/torchwood"
)

// omniwitness is the witness that transparency-dev runs in public, as the library below it: the program itself would go out and look
// for all the logs that it knows. Its answers have two lines, of an Ed25519 and an ML-DSA-44 key.
type omniwitness struct {
	keys []string
	url  string
}

func newOmniwitness(t *testing.T, name string, logs ...*actaLog) *omniwitness {
	t.Helper()
	w := &omniwitness{}
	var signers []note.Signer
	for _, key := range []func(string) (string, string, error){ed25519Key, f_note.GenerateMLDSAKey} {
		private, vkey, err := key(name)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := f_note.NewSignerForCosignatureV1(private)
		if err != nil {
			t.Fatal(err)
		}
		signers, w.keys = append(signers, signer), append(w.keys, vkey)
	}
	cosigner, err := witness.New(t.Context(), witness.Opts{
		Persistence: inmemory.New(),
		Signers:     signers,
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			for _, log := range logs {
				if log.origin == origin {
					verifier, err := torchwood.NewLogVerifier(log.vkey)
					return verifier, true, err
				}
			}
			return nil, false, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(cosigner).AddCheckpoint)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url = through(t, ofWitness, server.URL)
	return w
}

// ed25519Key makes a key of the kind that cosigns, whose names are those of notes but for the type.
func ed25519Key(name string) (private, vkey string, err error) {
	private, vkey, err = note.GenerateKey(rand.Reader, name)
	if err == nil {
		vkey, err = f_note.VKeyToCosignatureV1(vkey)
	}
	return private, vkey, err
}
