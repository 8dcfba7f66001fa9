package interop

import (
	"os/exec"
	"strings"
	"testing"
)

// README.md lists what runs here with the version that go.mod pins.
func TestTheReadmeListsTheVersionsThatRun(t *testing.T) {
	readme := readFile(t, "README.md")
	for _, module := range []string{
		"filippo.io/torchwood", "github.com/transparency-dev/formats", "github.com/transparency-dev/tessera",
		"github.com/transparency-dev/witness", "golang.org/x/mod",
	} {
		version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module).Output()
		if err != nil {
			t.Fatal(err)
		}
		listed := 0
		for line := range strings.Lines(readme) {
			if !strings.HasPrefix(line, "| ") || !strings.Contains(line, "`"+module) {
				continue
			}
			listed++
			if !strings.Contains(line, "| "+strings.TrimSpace(string(version))+" |") {
				t.Errorf("go.mod has %s of %s, README.md has: %s", strings.TrimSpace(string(version)), module, line)
			}
		}
		if listed == 0 {
			t.Errorf("README.md does not list %s", module)
		}
	}
}
