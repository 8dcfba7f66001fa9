package interop

import (
	"path/filepath"
	"testing"
)

// Of two copies of Tessera's log that went on apart, our witness cosigns one, and keeps evidence of the other that convicts the log.
func TestOurWitnessConvictsAForkedTessera(t *testing.T) {
	log := newTessera(t, "tessera.example/log")
	witness := newActaWitness(t, "acta-witness.example/w", log.vkey)
	policy := "witness w " + witness.keys[0] + " " + witness.url + "\nquorum w\n"
	log.add(t, policy, "one", "two", "three")
	copied := *log
	copied.dir = filepath.Join(t.TempDir(), "copy")
	good(t, "cp", "-a", log.dir, copied.dir)
	log.add(t, policy, "four")
	before := copied.checkpoint(t)
	copied.adding(t, policy, "another four").prints(t, `consistency proof is bad: 422`)
	if after := copied.checkpoint(t); after != before {
		t.Fatalf("the copy published:\n%s", after)
	}
	evidence, err := filepath.Glob(filepath.Join(witness.dir, "evidence", "*", "*.acta-evidence"))
	if err != nil || len(evidence) != 1 {
		t.Fatalf("evidence: %v, %v", evidence, err)
	}
	overwrite(t, evidence[0], broken("evidence-byte", readFile(t, evidence[0])))
	good(t, filepath.Join(ours, "acta"), "verify", "--evidence", evidence[0], "--log-key", writeFile(t, "log.vkey", log.vkey+"\n"))
}
