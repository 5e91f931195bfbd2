package process

import (
	"errors"
	"slices"
	"testing"
)

func TestARehearsalStartsNothing(t *testing.T) {
	var got []string
	ctx := WithRehearsal(t.Context(), func(program string, args []string, dir string) {
		got = append([]string{dir, program}, args...)
	})
	_, err := Run(ctx, "/no/such/program", []string{"-i", "x"}, Options{Dir: "/work", Limits: Unlimited()})
	if !errors.Is(err, ErrRehearsed) || !slices.Equal(got, []string{"/work", "/no/such/program", "-i", "x"}) {
		t.Errorf("recorded %q, error %v", got, err)
	}
}
