package interop

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// complaint is a line of klog's for a warning or worse.
var complaint = regexp.MustCompile(`^[WEF]\d{4} `)

// Tessera's load tool writes to our log and reads it at the same time, while litewitness cosigns each head. It checks that each head continues
// the one before, and complains of whatever cannot be read or written.
func TestTesserasHammerFindsNothingWrongWithOurLog(t *testing.T) {
	log := newLog(t, "interop.example/hammered")
	witness := newLitewitness(t, "litewitness.example/w", log)
	policy := fmt.Sprintf("log %s\nwitness lite %s %s\nquorum lite\n", log.vkey, witness.vkey, witness.url)
	log.serveOpen(t, policy)
	const leaves = 1500
	hammer := run(t, filepath.Join(theirs, "hammer"), "--log_url", log.url, "--log_public_key", log.vkey, "--show_ui=false", "--logtostderr",
		"--num_writers", "16", "--max_write_ops", "1000", "--max_read_ops", "300", "--dup_chance", "0.2", "--leaf_min_size", "300",
		"--leaf_write_goal", fmt.Sprint(leaves), "--max_runtime", patience.String())
	if err := hammer.end(t); err != nil {
		t.Fatalf("hammer: %v", err)
	}
	for _, line := range hammer.printed() {
		if strings.Contains(line, "; exiting") {
			break // what it complains of from here on, it has cut short itself
		}
		if complaint.MatchString(line) {
			t.Errorf("hammer complains: %s", line)
		}
	}
	head := verifyCheckpoint(t, policy, log.checkpoint(t))
	if entries := readAll(t, log.url, head.Tree); len(entries) < leaves {
		t.Fatalf("%d entries were written", len(entries))
	}
}
