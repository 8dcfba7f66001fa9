package interop

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rowsOf are the cells of the rows of the README's table with this headline.
func rowsOf(t *testing.T, headline string) [][]string {
	t.Helper()
	_, after, found := strings.Cut(readFile(t, "README.md"), headline+"\n|")
	if !found {
		t.Fatalf("README.md has no table %s", headline)
	}
	var rows [][]string
	for line := range strings.Lines(after) {
		if strings.HasPrefix(line, "---") {
			continue // the line below the headline
		}
		if !strings.HasPrefix(line, "| ") {
			break
		}
		rows = append(rows, strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |\n"), " | "))
	}
	return rows
}

const (
	whose  = "| what | module | version | role here |"
	matrix = "| program | version | direction | what it shows | test | result | seen to fail when |"
)

// README.md lists what runs here with the version that go.mod or Python's list pins.
func TestTheReadmeListsTheVersionsThatRun(t *testing.T) {
	pinned := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^\t(\S+) (v\S+)( // indirect)?$`).FindAllStringSubmatch(readFile(t, "go.mod"), -1) {
		pinned[line[1]] = line[2]
	}
	for _, line := range regexp.MustCompile(`(?m)^(\S+)==(\S+)$`).FindAllStringSubmatch(readFile(t, "../scripts/python-requirements.txt"), -1) {
		pinned[line[1]+" (PyPI)"] = line[2]
	}
	for _, row := range rowsOf(t, whose) {
		module := strings.Trim(row[1], "`")
		for pinned[module] == "" && strings.Contains(module, "/") {
			module = module[:strings.LastIndex(module, "/")]
		}
		if pinned[module] != row[2] {
			t.Errorf("%q of %s is pinned, README.md has: %v", pinned[module], module, row)
		}
	}
}

// The matrix has each test that is here and each thing that can be broken, and nothing else; what it names as programs is listed, with its version.
func TestTheMatrixHasEachTestAndEachBreakage(t *testing.T) {
	versions := map[string]string{}
	for _, row := range rowsOf(t, whose) {
		parts := strings.Split(row[2], "-")
		versions[row[0]] = parts[len(parts)-1] // of a version that is no release, the commit
	}
	tests, broken, used := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, row := range rowsOf(t, matrix) {
		if len(row) != 7 {
			t.Fatalf("not a row of seven cells: %q", row)
		}
		var wanted []string
		for program := range strings.SplitSeq(row[0], ", ") {
			used[program] = true
			if version := versions[program]; version == "" {
				t.Errorf("%s is not listed with a version", program)
			} else if !slices.Contains(wanted, version) {
				wanted = append(wanted, version)
			}
		}
		if row[1] != strings.Join(wanted, ", ") {
			t.Errorf("the versions are %v in the row %q", wanted, row)
		}
		name := strings.Trim(row[4], "`")
		if tests[name] {
			t.Errorf("%s has two rows", name)
		}
		tests[name] = true
		how, _, _ := strings.Cut(row[6], ":")
		broken[strings.Trim(how, "`")] = true
	}
	same(t, "tests", tests, testsHere(t))
	same(t, "breakages", broken, keysOf(breakages))
	same(t, "programs", used, keysOf(versions))
}

// testsHere are the tests of this package but those of this file.
func testsHere(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, file := range files {
		if file == "readme_test.go" {
			continue
		}
		for _, found := range regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(t \*testing\.T\)`).FindAllStringSubmatch(readFile(t, file), -1) {
			tests[found[1]] = true
		}
	}
	return tests
}

func keysOf[V any](all map[string]V) map[string]bool {
	keys := map[string]bool{}
	for key := range all {
		keys[key] = true
	}
	return keys
}

func same(t *testing.T, what string, listed, there map[string]bool) {
	t.Helper()
	if !maps.Equal(listed, there) {
		t.Errorf("%s: README.md has\n%q\nand there are\n%q", what, slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(there)))
	}
}
