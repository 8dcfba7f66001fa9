package interop

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// litewitness is a running witness of torchwood's.
type litewitness struct {
	*program
	vkey string
	url  string
}

// newLitewitness starts a litewitness that follows the given logs.
func newLitewitness(t *testing.T, name string, logs ...*actaLog) *litewitness {
	t.Helper()
	socket, fingerprint, _ := sshAgent(t)
	database := filepath.Join(t.TempDir(), "litewitness.db")
	p, address := onFreePort(t, func(address string) *program {
		return run(t, filepath.Join(theirs, "litewitness"), "-name", name, "-key", fingerprint, "-ssh-agent", socket, "-db", database,
			"-listen", address)
	}, func(address string) bool {
		response, err := client.Get("http://" + address + "/")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	w := &litewitness{program: p, vkey: p.prints(t, `vkey="?([^ "]+)`)[1], url: "http://" + address}
	if _, page := get(t, w.url+"/"); !strings.Contains(page, strings.TrimSuffix(w.vkey[:len(name)], "+")) {
		t.Fatalf("somebody else than litewitness listens on %s: %q", address, page)
	}
	for _, log := range logs {
		followLog(t, database, log)
	}
	w.url = through(t, ofLitewitness, w.url)
	return w
}

// newLitewitnessBehind starts a litewitness that nobody can reach but through a bastion, which it is told of for each log.
func newLitewitnessBehind(t *testing.T, name string, logs ...*actaLog) (*litewitness, *litebastion) {
	t.Helper()
	socket, fingerprint, public := sshAgent(t)
	hash := fmt.Sprintf("%x", sha256.Sum256(public))
	bastion := newLitebastion(t, hash)
	dir := t.TempDir()
	good(t, "cp", bastion.authority, filepath.Join(dir, "rootCA.pem")) // where -testcert looks for whom to trust
	database := filepath.Join(dir, "litewitness.db")
	p := runIn(t, dir, filepath.Join(theirs, "litewitness"), "-name", name, "-key", fingerprint, "-ssh-agent", socket, "-db", database,
		"-no-listen", "-testcert")
	w := &litewitness{program: p, vkey: p.prints(t, `vkey="?([^ "]+)`)[1], url: through(t, ofLitewitness, bastion.url) + "/" + hash}
	p.prints(t, "no bastions configured")
	for _, log := range logs {
		followLog(t, database, log)
		insert(t, database, "INSERT INTO bastion (origin, bastion) VALUES (?, ?)", log.origin, bastion.backends)
	}
	p.signal(t, syscall.SIGHUP)
	bastion.prints(t, "accepted new backend connection")
	return w, bastion
}

// followLog does what `witnessctl add-log` and `add-key` do. That program cannot be had from every module proxy, since a module that it
// needs for another command is not on all of them; the two rows are what litewitness's README describes.
func followLog(t *testing.T, database string, log *actaLog) {
	t.Helper()
	empty := sha256.Sum256(nil)
	root := base64.StdEncoding.EncodeToString(empty[:])
	insert(t, database, "INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", log.origin, root)
	insert(t, database, "INSERT INTO key (origin, key) VALUES (?, ?)", log.origin, log.vkey)
}

func insert(t *testing.T, database, query string, row ...any) {
	t.Helper()
	db, err := sqlite.OpenConn(database, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := sqlitex.Execute(db, query, &sqlitex.ExecOptions{Args: row}); err != nil {
		t.Fatal(err)
	}
}

// sshAgent runs an agent with a new key in this process, since litewitness leaves signing to one; gives its socket, and the key with its
// fingerprint.
func sshAgent(t *testing.T) (socket, fingerprint string, public ed25519.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	// not t.TempDir(), whose paths are too long for a socket
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				agent.ServeAgent(keys, connection)
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		os.RemoveAll(dir)
	})
	return socket, ssh.FingerprintSHA256(signer.PublicKey()), public
}
