package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// litebastion is torchwood's bastion: witnesses connect to it over TLS, clients over plain HTTP.
type litebastion struct {
	*program
	backends    string // where witnesses connect to
	url         string // where clients ask
	certificate string // path of the certificate that it shows
}

func newLitebastion(t *testing.T, keyHash string) *litebastion {
	t.Helper()
	certificate, key := selfSigned(t)
	allowed := writeFile(t, "backends", keyHash+"\n")
	bastion := &litebastion{certificate: certificate}
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

// selfSigned makes a certificate for this machine that is its own authority; gives the paths of it and of its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "bastion.example"},
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, bytes []byte) string {
		var text strings.Builder
		if err := pem.Encode(&text, &pem.Block{Type: kind, Bytes: bytes}); err != nil {
			t.Fatal(err)
		}
		return text.String()
	}
	return writeFile(t, "certificate.pem", block("CERTIFICATE", der)), writeFile(t, "key.pem", block("PRIVATE KEY", secret))
}

// Our log has its heads cosigned by a litewitness that can be reached through a litebastion only.
func TestOurLogReachesLitewitnessThroughLitebastion(t *testing.T) {
	log := newLog(t, "interop.example/their-bastion")
	witness, bastion := newLitewitnessBehind(t, "litewitness.example/hidden", log)
	policy := fmt.Sprintf("log %s\nwitness lite %s %s\nquorum lite\n", log.vkey, witness.vkey, witness.url)
	log.serveOpen(t, policy)
	receipt, ok := log.receipt(t, "one")
	if !ok {
		t.Fatal("there is no receipt although the witness is there")
	}
	checkReceipt(t, policy, receipt, "one")
	// Without its witness the bastion answers for itself, which says nothing about the log.
	witness.stop(t)
	bastion.prints(t, "backend connection closed")
	if receipt, ok := log.receipt(t, "two"); ok {
		t.Fatalf("there is a receipt without the witness: %s", receipt)
	}
}
