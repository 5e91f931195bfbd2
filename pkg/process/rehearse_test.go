package process_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/mapreel/mapreel/pkg/process"
)

func TestARehearsalStartsNothing(t *testing.T) {
	var got []string
	ctx := process.WithRehearsal(t.Context(), func(program string, args []string, dir string) {
		got = append([]string{dir, program}, args...)
	})
	_, err := process.Run(ctx, "/no/such/program", []string{"-i", "x"}, process.Options{Dir: "/work", Limits: process.Unlimited()})
	if !errors.Is(err, process.ErrRehearsed) || !slices.Equal(got, []string{"/work", "/no/such/program", "-i", "x"}) {
		t.Errorf("recorded %q, error %v", got, err)
	}
}
