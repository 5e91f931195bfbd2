package process

import (
	"strings"
	"testing"
)

const presigned = "https://bucket.s3.eu-west-1.amazonaws.com/film.mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAEXAMPLE" +
	"&X-Amz-Security-Token=TOKENTOKEN&X-Amz-Signature=0123456789abcdef"

// Wherever the tail begins, it holds no part of a query: not the URL's beginning alone marks one.
func TestATailNeverHoldsASignature(t *testing.T) {
	line := "[https @ 0x55d0c8] Opening '" + presigned + "' for reading"
	for _, newline := range []string{"\n", "\r"} {
		for at := range len(line) + 2 {
			var tail Tail
			if _, err := tail.Write([]byte(line + newline)); err != nil {
				t.Fatal(err)
			}
			// The rest of the output leaves the last at bytes of the line in the tail.
			rest := strings.Repeat("x", max(stderrTail-at-len(newline), 0))
			for chunk := rest; chunk != ""; { // as a pipe delivers it
				n := min(len(chunk), 4096)
				if _, err := tail.Write([]byte(chunk[:n])); err != nil {
					t.Fatal(err)
				}
				chunk = chunk[n:]
			}
			got := Redact(tail.String())
			for _, secret := range []string{"AKIA", "TOKEN", "0123456789abcdef", "9abcdef"} {
				if strings.Contains(got, secret) {
					t.Fatalf("a tail that begins %d bytes before the end of the line holds %q: %.200q", at, secret, got)
				}
			}
			if at == 0 && got != rest {
				t.Errorf("a tail that begins with a line lost some of it: %d bytes of %d", len(got), len(rest))
			}
		}
	}
	var tail Tail
	if _, err := tail.Write([]byte(strings.Repeat("x", stderrTail) + presigned)); err != nil || tail.String() != "" {
		t.Errorf("of a single line that is too long, %q was kept", tail.String())
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"open " + presigned + " now":                                  "open https://bucket.s3.eu-west-1.amazonaws.com/film.mp4 now",
		"'" + presigned + "': 403":                                    "'https://bucket.s3.eu-west-1.amazonaws.com/film.mp4': 403",
		"HTTPS" + presigned[5:]:                                       "HTTPS://bucket.s3.eu-west-1.amazonaws.com/film.mp4",
		presigned[strings.Index(presigned, "Credential"):] + " after": "Credential=… after",
		"AWSAccessKeyId=A&Signature=b%3D end":                         "AWSAccessKeyId=… end",
		"is it a film? yes: http://host/a.mp4":                        "is it a film? yes: http://host/a.mp4",
		"signature = wrong":                                           "signature = wrong",
	} {
		if got := Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}
