package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// litebastion is torchwood's bastion: witnesses connect to it over TLS, clients over plain HTTP.
type litebastion struct {
	*program
	backends  string // where witnesses connect to
	url       string // where clients ask
	authority string // path of the certificate of the authority that its own is of
}

func newLitebastion(t *testing.T, keyHash string) *litebastion {
	t.Helper()
	authority, certificate, key := certificates(t)
	allowed := writeFile(t, "backends", keyHash+"\n")
	bastion := &litebastion{authority: authority}
	bastion.program, bastion.backends = onFreePort(t, func(address string) *program {
		clients := freeAddress(t)
		bastion.url = "http://" + clients
		return run(t, filepath.Join(theirs, "litebastion"), "-listen", address, "-listen-http", clients, "-tls-cert", certificate, "-tls-key",
			key, "-backends", allowed)
	}, func(string) bool {
		response, err := client.Get(bastion.url + "/logz")
		if err != nil {
			return false
		}
		return response.Body.Close() == nil
	})
	return bastion
}

// certificates makes an authority and a certificate of it for this machine; gives the paths of both and of the latter's key.
func certificates(t *testing.T) (authority, certificate, key string) {
	t.Helper()
	rootKey, root := newKey(t), &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "authority.example"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	leafKey, leaf := newKey(t), &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "bastion.example"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authority = writeFile(t, "authority.pem", certified(t, root, root, rootKey, rootKey))
	certificate = writeFile(t, "certificate.pem", certified(t, leaf, root, leafKey, rootKey))
	secret, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return authority, certificate, writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certified(t *testing.T, subject, issuer *x509.Certificate, key, issuerKey *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, subject, issuer, key.Public(), issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// Our log has its heads cosigned by a litewitness that can be reached through a litebastion only.
func TestOurLogReachesLitewitnessThroughLitebastion(t *testing.T) {
	log := newLog(t, "interop.example/their-bastion")
	witness, bastion := newLitewitnessBehind(t, "litewitness.example/hidden", log)
	policy := fmt.Sprintf("log %s\nwitness lite %s %s\nquorum lite\n", log.vkey, witness.vkey, witness.url)
	log.serveOpen(t, policy)
	receipt := log.mustReceipt(t, "one")
	checkReceipt(t, policy, receipt, "one")
	// Without its witness the bastion answers for itself, which says nothing about the log.
	witness.stop(t)
	bastion.prints(t, "backend connection closed")
	if receipt, ok := log.receipt(t, "two"); ok {
		t.Fatalf("there is a receipt without the witness: %s", receipt)
	}
}

// acta-witness follow brings heads to witnesses from elsewhere too. This one reads 10 KiB of a request, and three of ours have cosigned the
// head, with 10 KiB of lines: what they said is not for it to know.
func TestLitewitnessBehindABastionIsBroughtACosignedHead(t *testing.T) {
	log := newLog(t, "interop.example/brought")
	policy, names, keys := "log "+log.vkey+"\n", "", []string(nil)
	for i := range 3 {
		witness := newActaWitness(t, fmt.Sprintf("acta-witness.example/w%d", i), log.vkey)
		name := fmt.Sprintf("acta%d", i)
		policy, names, keys = policy+policyLines(name, witness.keys, witness.url), names+" "+name, append(keys, witness.keys...)
	}
	log.serveOpen(t, policy+"group every all"+names+"\nquorum every\n")
	log.add(t, "one")
	eventually(t, "all have cosigned", func() bool { return len(cosignedBy(t, log.checkpoint(t), log.vkey, keys...)) == len(keys) })

	lite, _ := newLitewitnessBehind(t, "litewitness.example/hidden", log)
	good(t, filepath.Join(ours, "acta-witness"), "follow", "--once", "--witness", lite.url, "--policy",
		writeFile(t, "logs", "log "+log.vkey+" "+log.url+"\nquorum none\n"))
	if got := addCheckpoint(t, lite.url, 0, nil, withoutCosignatures(log.checkpoint(t), log.origin)); got.body != "1\n" {
		t.Fatalf("litewitness knows another size: %v", got)
	}
}

// withoutCosignatures is a signed head with the log's own lines only.
func withoutCosignatures(signed, origin string) string {
	end := strings.Index(signed, "\n\n") + 2
	head := signed[:end]
	for line := range strings.Lines(signed[end:]) {
		if strings.HasPrefix(line, "— "+origin+" ") {
			head += line
		}
	}
	return head
}

// Our witness serves over a connection to a litebastion: our log and Tessera's ask it there, and so do monitors.
func TestOurWitnessServesThroughLitebastion(t *testing.T) {
	ourLog, log := newLog(t, "interop.example/bastion"), newTessera(t, "tessera.example/bastion")
	witness := initActaWitness(t, "acta-witness.example/hidden")
	bastion := newLitebastion(t, witness.bastionHash(t))
	config := fmt.Sprintf("[bastion]\nauthority = %q\n", bastion.authority)
	witness.program = run(t, filepath.Join(ours, "acta-witness"), "serve", "--dir", witness.dir, "--listen", "127.0.0.1:0", "--policy",
		writeFile(t, "logs", followed([]string{ourLog.vkey, log.vkey})), "--bastion", bastion.backends, "--config",
		writeFile(t, "acta-witness.toml", config))
	witness.prints(t, "knows this witness by "+witness.bastionHash(t))
	bastion.prints(t, "accepted new backend connection")
	url := through(t, ofWitness, bastion.url) + "/" + witness.bastionHash(t)

	policy := fmt.Sprintf("log %s\n%squorum acta\n", ourLog.vkey, policyLines("acta", witness.keys, url))
	ourLog.serveOpen(t, policy)
	receipt := ourLog.mustReceipt(t, "one")
	checkReceipt(t, policy, receipt, "one")
	log.add(t, "witness w "+witness.keys[0]+" "+url+"\nquorum w\n", "one", "two")
	if by := cosignedBy(t, log.checkpoint(t), log.vkey, witness.keys...); len(by) != 1 {
		t.Fatalf("cosigned by %v:\n%s", by, log.checkpoint(t))
	}
	status, shown := get(t, fmt.Sprintf("%s/%x/checkpoint", url, sha256.Sum256([]byte(log.origin))))
	if status != http.StatusOK || len(cosignedBy(t, shown, log.vkey, witness.keys...)) != 2 {
		t.Fatalf("monitors are shown %d, %q", status, shown)
	}
}

// bastionHash is the SHA-256 of the key by which bastions know the witness.
func (w *actaWitness) bastionHash(t *testing.T) string {
	t.Helper()
	parts := strings.SplitN(strings.TrimSpace(readFile(t, filepath.Join(w.dir, "bastion.key.vkey"))), "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(key) != 33 {
		t.Fatalf("%q: %v", parts, err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(key[1:]))
}
