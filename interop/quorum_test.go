package interop

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// Our log shows a head only once litewitness has cosigned it, and torchwood accepts what it shows under the log's own policy file.
func TestOurLogPublishesWithLitewitnessAndNotWithout(t *testing.T) {
	log := newLog(t, "interop.example/one-witness")
	witness := newLitewitness(t, "litewitness.example/w", log)
	policy := fmt.Sprintf("log %s\nwitness lite %s %s\nquorum lite\n", log.vkey, witness.vkey, witness.url)
	log.serveOpen(t, policy)
	receipt := log.mustReceipt(t, "one")
	checkReceipt(t, policy, receipt, "one")
	head := verifyCheckpoint(t, policy, log.checkpoint(t))
	checkTimestamp(t, log.checkpoint(t), witness.vkey)

	// It neither answers nor refuses: the slowest of witnesses.
	witness.signal(t, syscall.SIGSTOP)
	if receipt, ok := log.receipt(t, "two"); ok {
		t.Fatalf("there is a receipt without the witness: %s", receipt)
	}
	if now := verifyCheckpoint(t, policy, log.checkpoint(t)); now != head {
		t.Fatalf("the log shows a head of %d entries without the witness", now.N)
	}
	witness.signal(t, syscall.SIGCONT)
	eventually(t, "the witness is back, and so is the receipt", func() bool {
		status, later := get(t, log.url+"/proof/1")
		if status == http.StatusOK {
			checkReceipt(t, policy, later, "two")
		}
		return status == http.StatusOK
	})
}

// A copy of a log that was left behind by the log itself takes nothing in, and shows no new head: litewitness tells a size that the copy
// does not have. It has nothing to prove that with, so the copy goes on being read.
func TestACopyOfOurLogStaysReadOnlyBesideLitewitness(t *testing.T) {
	log := newLog(t, "interop.example/copied")
	witness := newLitewitness(t, "litewitness.example/w", log)
	policy := fmt.Sprintf("log %s\nwitness lite %s %s\nquorum lite\n", log.vkey, witness.vkey, witness.url)
	served := log.serveOpen(t, policy)
	log.mustReceipt(t, "one")
	served.stop(t)
	copied := *log
	copied.dir = filepath.Join(t.TempDir(), "copy")
	good(t, "cp", "-a", log.dir, copied.dir)
	served = log.serveOpen(t, policy)
	log.mustReceipt(t, "two")
	served.stop(t)

	copied.serve(t, policy)
	eventually(t, "the copy tells its operator what keeps it", func() bool {
		status, body := get(t, copied.ops+"/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "lite")
	})
	status, body := post(t, copied.url+"/add", "another two")
	if status != http.StatusServiceUnavailable {
		t.Fatalf("the copy answers %d, %q", status, body)
	}
	if head := verifyCheckpoint(t, policy, copied.checkpoint(t)); head.N != 1 {
		t.Fatalf("the copy shows %d entries", head.N)
	}
}

// checkTimestamp looks at the time that a witness says it cosigned at.
func checkTimestamp(t *testing.T, signed, vkey string) {
	t.Helper()
	verifier, err := torchwood.NewCosignatureVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	at, err := torchwood.CosignatureTimestamp(opened.Sigs[0])
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(time.Unix(at, 0)); age < -time.Minute || age > 2*patience {
		t.Fatalf("cosigned %v ago", age)
	}
}

// Three witnesses of three makes, two of which have to cosign. All read the one policy file that our log is served with.
func TestTwoOfThreeWitnessesOfThreeMakes(t *testing.T) {
	log := newLog(t, "interop.example/two-of-three")
	lite, omni := newLitewitness(t, "litewitness.example/w", log), newOmniwitness(t, "omniwitness.example/w", log)
	acta := newActaWitness(t, "acta-witness.example/w", log.vkey)
	policy := fmt.Sprintf("log %s\nwitness lite %s %s\n", log.vkey, lite.vkey, lite.url) +
		policyLines("omni", omni.keys, omni.url) + policyLines("acta", acta.keys, acta.url) +
		"group two-of-three 2 lite omni acta\nquorum two-of-three\n"
	log.serveOpen(t, policy)
	receipt := log.mustReceipt(t, "one")
	checkReceipt(t, policy, receipt, "one")
	all := append(append([]string{lite.vkey}, omni.keys...), acta.keys...)
	eventually(t, "the cosignatures that come late are shown too", func() bool {
		by := cosignedBy(t, log.checkpoint(t), log.vkey, all...)
		slices.Sort(by)
		return len(slices.Compact(by)) == len(all)
	})

	// One of them may be gone, and a head is shown; two, and it is not.
	lite.signal(t, syscall.SIGSTOP)
	receipt = log.mustReceipt(t, "two")
	checkReceipt(t, policy, receipt, "two")
	acta.stop(t)
	if receipt, ok := log.receipt(t, "three"); ok {
		t.Fatalf("there is a receipt with one of three witnesses: %s", receipt)
	}
	lite.signal(t, syscall.SIGCONT)
	eventually(t, "two of three are back", func() bool {
		return verifyCheckpoint(t, policy, log.checkpoint(t)).N == 3
	})
	for i, entry := range readAll(t, log.url, verifyCheckpoint(t, policy, log.checkpoint(t)).Tree) {
		if entry != []string{"one", "two", "three"}[i] {
			t.Fatalf("entry %d is %q", i, entry)
		}
	}
}
