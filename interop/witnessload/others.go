package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"

	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/witness/persistence/sqlite"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/mod/sumdb/note"
	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// omniwitness serves the witness of transparency-dev as its program does it: the library with its SQLite store, synced. The program itself
// would go out and look for logs. One Ed25519 key cosigns. So many connections to the database may be open; its program allows 1,000.
func omniwitness(address, database string, logs, connections int) error {
	store, _, err := sqlite.New(context.Background(), sqlite.Opts{Path: database, MaxOpenConns: connections})
	if err != nil {
		return err
	}
	private, _, err := note.GenerateKey(rand.Reader, "omniwitness.example/w")
	if err != nil {
		return err
	}
	signer, err := f_note.NewSignerForCosignatureV1(private)
	if err != nil {
		return err
	}
	verifiers := map[string]note.Verifier{}
	for number := range logs {
		l := newLog(number)
		if verifiers[l.origin], err = note.NewVerifier(l.vkey()); err != nil {
			return err
		}
	}
	cosigner, err := witness.New(context.Background(), witness.Opts{
		Persistence: store,
		Signers:     []note.Signer{signer},
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			verifier, known := verifiers[origin]
			return verifier, known, nil
		},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(cosigner).AddCheckpoint)
	return http.ListenAndServe(address, mux)
}

// sshAgent runs an agent with a new key, since litewitness leaves signing to one; prints the key's fingerprint once it listens.
func sshAgent(socket string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	fmt.Println(ssh.FingerprintSHA256(signer.PublicKey()))
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go agent.ServeAgent(keys, connection)
	}
}

// follow has litewitness follow the logs: what its witnessctl does, which cannot be had from every module proxy.
func follow(database string, logs int) (err error) {
	db, err := zombiezen.OpenConn(database, 0)
	if err != nil {
		return err
	}
	defer db.Close()
	empty := sha256.Sum256(nil)
	root := base64.StdEncoding.EncodeToString(empty[:])
	end := sqlitex.Transaction(db)
	defer end(&err)
	for number := range logs {
		l := newLog(number)
		if err := sqlitex.Execute(db, "INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", &sqlitex.ExecOptions{Args: []any{l.origin, root}}); err != nil {
			return err
		}
		if err := sqlitex.Execute(db, "INSERT INTO key (origin, key) VALUES (?, ?)", &sqlitex.ExecOptions{Args: []any{l.origin, l.vkey()}}); err != nil {
			return err
		}
	}
	return nil
}

// policy is a policy file that lists logs, for our witness.
func policy(from, to int) string {
	var lines strings.Builder
	for number := from; number < to; number++ {
		lines.WriteString("log " + newLog(number).vkey() + "\n")
	}
	return lines.String() + "quorum none\n"
}
