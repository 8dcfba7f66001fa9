package interop

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A test that cannot fail shows nothing. With ACTA_INTEROP_BREAK=NAME one thing on the way between theirs and ours is not as it should be, and
// the test that README.md names for it has to fail: scripts/interop-broken.sh tries all. Only these tests read the variable; our programs do
// not know of it.

var breaking = os.Getenv("ACTA_INTEROP_BREAK")

// place is where on the way something is broken.
type place int

const (
	ofLog         place = iota // what our log answers
	ofWitness                  // what a witness answers
	ofLitewitness              // the same of litewitness alone
	toLitewitness              // what litewitness is asked
	ofFiles                    // what the files of a log from elsewhere hold
	here                       // what a test has in its hands: see broken
)

// breakage is one thing to break. Of a message for which it is not meant it changes nothing.
type breakage struct {
	place place
	does  func(message) message
}

// message is a request, with status 0, or the answer to one.
type message struct {
	method, path string
	status       int
	body         string
}

var breakages = map[string]breakage{
	"head-signature":        {ofLog, of("/checkpoint", lastSignature)},
	"tile-byte":             {ofLog, of("/tile/[0-9]", lastByte)},
	"bundle-byte":           {ofLog, of("/tile/entries/", lastByte)},
	"receipt-hash":          {ofLog, of("/proof/|/add", hashOfReceipt)},
	"cosignatures-dropped":  {ofLog, of("/proof/|/add|/checkpoint", onlyFirstSignature)},
	"refusal-taken-back":    {ofLog, answered("/add", http.StatusServiceUnavailable, http.StatusOK, "1\n")},
	"ct-path-hash":          {ofLog, of("/ct/v1/get-(sth-consistency|proof-by-hash)", hashOfPath)},
	"ct-time":               {ofLog, of("/ct/v1/get-sth$", replaced(`"timestamp":1`, `"timestamp":2`))},
	"ct-error-name":         {ofLog, of("/ct/v1/", replaced("error_message", "message"))},
	"cosignature":           {ofWitness, of("/add-checkpoint", lastSignature)},
	"subtree-signature":     {ofWitness, of("/sign-subtree", lastSignature)},
	"monitor-head":          {ofWitness, of("/[0-9a-f]{64}/checkpoint", lastSignature)},
	"conflict-taken-back":   {ofWitness, answered("/add-checkpoint", http.StatusConflict, http.StatusOK, "")},
	"cosigning-refused":     {ofWitness, answered("/add-checkpoint", http.StatusOK, http.StatusForbidden, "")},
	"asked-signature":       {toLitewitness, of("/add-checkpoint", lastSignature)},
	"their-tile-byte":       {ofFiles, of("/tile/[0-9]", lastByte)},
	"their-bundle-byte":     {here, of("", lastByte)},
	"evidence-byte":         {here, of("", lastByte)},
	"quorum-forgotten":      {here, of("", forgottenQuorum)},
	"change-left-out":       {here, of("", replaced("changed", "as it was"))},
	"second-history-hidden": {here, of("", replaced("second", "first"))},
}

// of changes bodies of messages about paths that match; of answers only good ones.
func of(path string, change func(string) string) func(message) message {
	pattern := regexp.MustCompile(path)
	return func(m message) message {
		if pattern.MatchString(m.path) && m.body != "" {
			m.body = change(m.body)
		}
		return m
	}
}

// answered changes the status of answers, and what comes with it.
func answered(path string, from, to int, body string) func(message) message {
	return func(m message) message {
		if m.status == from && strings.HasSuffix(m.path, path) {
			m.status, m.body = to, body
		}
		return m
	}
}

func replaced(old, new string) func(string) string {
	return func(body string) string { return strings.ReplaceAll(body, old, new) }
}

func lastByte(body string) string {
	return body[:len(body)-1] + string([]byte{body[len(body)-1] ^ 1})
}

// lastSignature changes the signature on the last line of a note.
func lastSignature(body string) string {
	if !strings.HasSuffix(body, "\n") || !strings.Contains(body, "— ") {
		return body
	}
	at := len(body) - 20
	return body[:at] + other(body[at]) + body[at+1:]
}

// other is another character of base64.
func other(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

var (
	hashLine = regexp.MustCompile(`(?m)^(index \d+\n)(.)`)
	inPath   = regexp.MustCompile(`("(?:audit_path|consistency)":\[")(.)`)
)

func hashOfReceipt(body string) string { return changedBehind(hashLine, body) }

func hashOfPath(body string) string { return changedBehind(inPath, body) }

// changedBehind changes the character of base64 that is a pattern's second group.
func changedBehind(pattern *regexp.Regexp, body string) string {
	found := pattern.FindStringSubmatchIndex(body)
	if found == nil {
		return body
	}
	at := found[4]
	return body[:at] + other(body[at]) + body[at+1:]
}

// onlyFirstSignature is a head, or a receipt that ends with one, without the lines of witnesses.
func onlyFirstSignature(body string) string {
	lines := strings.SplitAfter(body, "\n")
	first := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "— ") })
	if first < 0 {
		return body
	}
	return strings.Join(lines[:first+1], "")
}

func forgottenQuorum(policy string) string {
	return regexp.MustCompile(`quorum .*`).ReplaceAllString(policy, "quorum none")
}

var sayBroken sync.Once

// change is what becomes of a message in the hands of the breakage that is asked for, if any.
func change(at place, m message) message {
	b, known := breakages[breaking]
	if !known || b.place != at {
		return m
	}
	changed := b.does(m)
	if changed != m {
		sayBroken.Do(func() { fmt.Printf("BROKEN: %s\n", breaking) }) // so that the script knows that it came to that
	}
	return changed
}

// broken is what a test is to take for the text that it has, for the one breakage of that name.
func broken(name, text string) string {
	if _, known := breakages[name]; !known {
		panic("there is no breakage " + name)
	}
	if breaking != name {
		return text
	}
	return change(here, message{body: text}).body
}

// through gives the address at which a server is to be asked: its own, or that of a proxy before it that breaks something. What is broken is
// what comes from the given place, and what goes to litewitness.
func through(t *testing.T, from place, address string) string {
	t.Helper()
	at := breakages[breaking].place
	lite := from == ofLitewitness && (at == ofWitness || at == toLitewitness)
	if breaking == "" || at != from && !lite {
		return address
	}
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	direct := proxy.Director
	proxy.Director = func(r *http.Request) {
		direct(r)
		r.Header.Del("Accept-Encoding") // so that bodies are as they are
	}
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		if at == toLitewitness {
			r.Body = io.NopCloser(bytes.NewReader(body))
			return nil
		}
		changed := change(at, message{r.Request.Method, r.Request.URL.Path, r.StatusCode, string(body)})
		r.StatusCode, r.Body = changed.status, io.NopCloser(strings.NewReader(changed.body))
		r.ContentLength = int64(len(changed.body))
		r.Header.Set("Content-Length", strconv.Itoa(len(changed.body)))
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		asked := body
		if at == toLitewitness {
			asked = []byte(change(at, message{r.Method, r.URL.Path, 0, string(body)}).body)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(asked)), int64(len(asked))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// checkBreaking refuses a name that means nothing, which would break nothing. What is broken is waited for less long.
func checkBreaking() error {
	if breaking == "" {
		return nil
	}
	if _, known := breakages[breaking]; !known {
		return fmt.Errorf("ACTA_INTEROP_BREAK names none of %v", slices.Sorted(maps.Keys(breakages)))
	}
	patience = 15 * time.Second
	return nil
}
