package process

import (
	"strings"
	"testing"
)

func TestARecordKeepsItsEnd(t *testing.T) {
	t.Parallel()
	var r Record
	for range 3000 {
		r.Add("thirty characters of some text\n")
	}
	r.Add("the end\n")
	text := r.String()
	if len(text) > 65<<10 || !strings.HasPrefix(text, "[the beginning is left out]\nthirty ") || !strings.HasSuffix(text, "\nthe end\n") {
		t.Errorf("%d bytes: %q … %q", len(text), text[:80], text[len(text)-40:])
	}
}
