package interop

import (
	"crypto/ed25519"
	"crypto/mldsa"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Under policies that chance has put together, with heads that chance has cosigned, torchwood and `acta verify` accept the same receipts. But
// where a line of a witness that the policy lists is bad, ours refuses the head, as signed-note advises; torchwood does not see it if the
// quorum does not need that witness, or if a good line of it came before.
func TestPoliciesMeanTheSame(t *testing.T) {
	log := newMemoryLog(t, "memory.example/log")
	log.growTo(t, 9, "main")
	var cosigners []*torchwood.CosignatureSigner
	for i := range 6 {
		cosigners = append(cosigners, newCosigner(t, fmt.Sprintf("w%d.example", i), i%3 == 2))
	}
	proof, err := tlog.ProveRecord(9, 4, log)
	if err != nil {
		t.Fatal(err)
	}
	entry := []byte("main 4")
	accepted := 0
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 1))
		policy := randomPolicy(random, log.vkey, cosigners)
		head, bad := randomHead(t, random, log, cosigners)
		receipt := torchwood.FormatProofWithExtraData(4, entry, proof, []byte(head))
		theirs := torchwood.VerifyProof(parsePolicy(t, policy), tlog.RecordHash(entry), receipt)
		verify := exec.Command(filepath.Join(ours, "acta"), "verify", "--policy", writeFile(t, "policy", broken("quorum-forgotten", policy)),
			writeFile(t, "r.tlog-proof", string(receipt)))
		said, err := verify.CombinedOutput()
		if code := verify.ProcessState.ExitCode(); code > 1 {
			t.Fatalf("seed %d: acta verify: %v\n%s", seed, err, said)
		}
		if bad != "" && strings.Contains(policy, " "+bad+"\n") {
			if err == nil {
				t.Errorf("seed %d: acta verify accepts a bad line: %s\nunder\n%s\nof\n%s", seed, said, policy, head)
			}
			continue
		}
		if (theirs == nil) != (err == nil) {
			t.Errorf("seed %d: torchwood says %v, acta verify says %v: %s\nunder\n%s\nof\n%s", seed, theirs, err, said, policy, head)
		}
		if theirs == nil {
			accepted++
		}
	}
	if accepted < 20 || accepted > 130 {
		t.Errorf("chance was too one-sided to tell much: %d of 150 accepted", accepted)
	}
}

func newCosigner(t *testing.T, name string, postQuantum bool) *torchwood.CosignatureSigner {
	t.Helper()
	var signer *torchwood.CosignatureSigner
	var err error
	if postQuantum {
		var private *mldsa.PrivateKey
		if private, err = mldsa.GenerateKey(mldsa.MLDSA44()); err == nil {
			signer, err = torchwood.NewCosignatureSigner(name, private)
		}
	} else {
		var private ed25519.PrivateKey
		if _, private, err = ed25519.GenerateKey(crand.Reader); err == nil {
			signer, err = torchwood.NewCosignatureSigner(name, private)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// randomPolicy knows some of the cosigners, in groups of groups, each a member at most once.
func randomPolicy(random *rand.Rand, log string, cosigners []*torchwood.CosignatureSigner) string {
	policy, free := "log "+log+"\n", []string(nil)
	for _, i := range random.Perm(len(cosigners))[:1+random.IntN(len(cosigners))] {
		name := fmt.Sprintf("witness-%d", i)
		policy += fmt.Sprintf("witness %s %s\n", name, cosigners[i].Verifier())
		free = append(free, name)
	}
	for group := range random.IntN(4) {
		random.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
		members := free[:1+random.IntN(len(free))]
		threshold := []string{"any", "all", fmt.Sprint(1 + random.IntN(len(members)))}[random.IntN(3)]
		policy += fmt.Sprintf("group group-%d %s %s\n", group, threshold, strings.Join(members, " "))
		free = append(free[len(members):], fmt.Sprintf("group-%d", group))
	}
	if random.IntN(12) == 0 {
		return policy + "quorum none\n"
	}
	return policy + "quorum " + free[len(free)-1] + "\n"
}

// randomHead is cosigned by some, by some of them twice, and by somebody unknown. Now and then one of the lines is bad, whose key is told, or the
// log itself has not signed.
func randomHead(t *testing.T, random *rand.Rand, log *memoryLog, cosigners []*torchwood.CosignatureSigner) (head, bad string) {
	t.Helper()
	text := torchwood.Checkpoint{Origin: log.origin, Tree: log.tree(t, log.size)}.String()
	signers := []note.Signer{newCosigner(t, "nobody.example", false)}
	if random.IntN(15) > 0 {
		signers = append(signers, log.signer)
	}
	for _, cosigner := range cosigners {
		for range random.IntN(3) {
			signers = append(signers, cosigner)
		}
	}
	if random.IntN(10) == 0 {
		cosigner := cosigners[random.IntN(len(cosigners))]
		signers, bad = append(signers, badSigner{cosigner}), cosigner.Verifier().String()
	}
	random.Shuffle(len(signers), func(i, j int) { signers[i], signers[j] = signers[j], signers[i] })
	head = text + "\n"
	for _, signer := range signers {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		head += signatureOf(string(signed))
	}
	return head, bad
}

// badSigner signs something else.
type badSigner struct{ note.Signer }

func (s badSigner) Sign(message []byte) ([]byte, error) {
	signature, err := s.Signer.Sign(message)
	if err == nil {
		signature[len(signature)-1] ^= 1
	}
	return signature, err
}
