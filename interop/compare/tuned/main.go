// Command tuned serves a Tessera POSIX log as Tessera's conformance server does, with what that server has fixed as flags: how many entries
// make a batch and how long a batch may wait, how often a checkpoint is published, and how entries are told from those that are there.
//
// It is only here to be measured against: see ../README.md.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	badger "github.com/transparency-dev/tessera/storage/posix/antispam"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	dir := flag.String("storage_dir", "", "directory of the log")
	listen := flag.String("listen", "127.0.0.1:2025", "address and port")
	key := flag.String("private_key", "", "file with the log's private key")
	batch := flag.Uint("batch_size", 256, "most entries of a batch")
	age := flag.Duration("batch_age", time.Second, "longest time that an entry waits for others")
	interval := flag.Duration("checkpoint_interval", time.Second, "time between checkpoints")
	pushback := flag.Uint("pushback", 4096, "most entries that wait for their place in the tree")
	antispam := flag.Bool("antispam", false, "remember entries on disk, so that none is taken in twice")
	memory := flag.Uint("antispam_memory", tessera.DefaultAntispamInMemorySize, "entries that are remembered in memory; 0: none")
	name := flag.String("new_key", "", "make a key of this name, write it to -private_key, and do nothing else")
	flag.Parse()
	if *name != "" {
		if err := newKey(*name, *key); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := serve(*dir, *listen, *key, *batch, *age, *interval, *pushback, *antispam, *memory); err != nil {
		log.Fatal(err)
	}
}

func serve(dir, listen, key string, batch uint, age, interval time.Duration, pushback uint, antispam bool, memory uint) error {
	ctx := context.Background()
	secret, err := os.ReadFile(key)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(string(secret))
	if err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return err
	}
	options := tessera.NewAppendOptions().WithCheckpointSigner(signer).WithCheckpointInterval(interval).
		WithBatching(batch, age).WithPushback(pushback)
	if antispam {
		remembered, err := badger.NewAntispam(ctx, filepath.Join(dir, ".state", "antispam"), badger.AntispamOpts{})
		if err != nil {
			return err
		}
		options = options.WithAntispam(memory, remembered)
	} else if memory > 0 {
		options = options.WithAntispam(memory, nil)
	}
	appender, _, _, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return err
	}
	mux := http.NewServeMux() // the default one has what a package of the antispam's puts there
	mux.HandleFunc("POST /add", func(w http.ResponseWriter, r *http.Request) {
		entry, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		index, err := appender.Add(r.Context(), tessera.NewEntry(entry))()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%d", index.Index)
	})
	mux.Handle("GET /", http.FileServer(http.Dir(dir)))
	return http.ListenAndServe(listen, mux)
}

// newKey writes the private key, and the public one to the file of the same name with .vkey added.
func newKey(name, path string) error {
	secret, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		return err
	}
	return os.WriteFile(path+".vkey", []byte(public+"\n"), 0o644)
}
