package apitest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Run(m)) }

// answer is what a server says.
type answer struct {
	code int
	kind string // the Content-Type
	body string
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.code, a.body) }

// agent is what the requests come from, as the description has it.
const agent = "curl/7.64.1"

// send sends a request as it is: neither path nor parameters are escaped. target begins with
// a slash and may have a query; body is a form, or JSON if it begins like it.
func send(t testing.TB, addr, method, target, body string) answer {
	t.Helper()
	a, err := try(addr, method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func try(addr, method, target, body string) (answer, error) {
	req, err := http.NewRequest(method, "http://"+addr+target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Accept", "*/*")
	switch {
	case body == "":
	case strings.ContainsAny(body[:1], "{["):
		req.Header.Set("Content-Type", "application/json")
	default:
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), string(b)}, errors.Join(err, resp.Body.Close())
}

// eventually waits for a condition; ok returns "" when it holds, or what is wrong.
func eventually(t testing.TB, within time.Duration, what string, ok func() string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); ; <-tick.C {
		bad := ok()
		if bad == "" {
			return
		}
		if time.Since(begin) > within {
			t.Fatalf("not within %v: %s: %s", within, what, bad)
		}
	}
}
