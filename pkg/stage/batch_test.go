package stage

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
)

func TestOnlyTransientEndsABatchJobWithTryAgain(t *testing.T) {
	seen := map[int]fault.Kind{0: "success", 1: "an exit that is not ours", 2: "a panic that is not ours"}
	for _, kind := range fault.Kinds() {
		code := ExitCode(kind)
		if other, taken := seen[code]; taken || code > 125 {
			t.Errorf("%s ends with %d, as does %s", kind, code, other)
		}
		if (code == TryAgain) != (kind == fault.Transient) {
			t.Errorf("%s ends with %d", kind, code)
		}
		seen[code] = kind
	}
}
