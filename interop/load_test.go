package interop

import (
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/transparency-dev/witness/client/http"
	"github.com/transparency-dev/witness/witness"
)

// The client of transparency-dev's witness has our witness cosign the heads of twenty logs at once, each of them twelve times in a row, and then
// one that comes too late.
func TestTheWitnessClientGetsTwentyLogsCosignedAtOnce(t *testing.T) {
	const logs, heads = 20, 12
	type update struct {
		old   uint64
		head  string
		proof [][]byte
	}
	updates, keys := make([][]update, logs), make([]string, logs)
	for i := range logs {
		log := newMemoryLog(t, fmt.Sprintf("memory.example/log-%d", i))
		keys[i] = log.vkey
		for range heads {
			old := log.size
			log.growTo(t, old+int64(i)+1, "main")
			u := update{old: uint64(old), head: log.head(t, log.size)}
			if old > 0 {
				for _, hash := range log.proof(t, old, log.size) {
					u.proof = append(u.proof, hash[:])
				}
			}
			updates[i] = append(updates[i], u)
		}
	}
	acta := newActaWitness(t, "acta-witness.example/loaded", keys...)
	address, err := url.Parse(acta.url)
	if err != nil {
		t.Fatal(err)
	}
	asked := http.NewWitness(address, client)
	lines, failures := make([][]string, logs), make([]error, logs)
	var all sync.WaitGroup
	for i, queue := range updates {
		all.Go(func() {
			for _, u := range queue {
				cosigned, _, err := asked.Update(t.Context(), u.old, []byte(u.head), u.proof)
				if err != nil {
					failures[i] = err
					return
				}
				lines[i] = append(lines[i], string(cosigned))
			}
		})
	}
	all.Wait()
	for i, queue := range updates {
		if failures[i] != nil {
			t.Fatalf("log %d after %d heads: %v", i, len(lines[i]), failures[i])
		}
		for k, u := range queue {
			if by := cosignedBy(t, u.head+lines[i][k], keys[i], acta.keys...); len(by) != len(acta.keys) {
				t.Fatalf("cosigned by %v:\n%s", by, u.head+lines[i][k])
			}
		}
	}
	late := updates[3][5]
	_, size, err := asked.Update(t.Context(), late.old, []byte(late.head), late.proof)
	if !errors.Is(err, witness.ErrCheckpointStale) || size != 4*heads {
		t.Fatalf("a head that comes too late: %d, %v", size, err)
	}
}
