package verify

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
)

func TestTheReportOfAJoinedFilmIsRefused(t *testing.T) {
	t.Parallel()
	_, err := ReadJob([]byte(`{"type":"report","outputs":[{"url":"/film.mp4","joined":3}]}`), "/film.mp4")
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "film.mp4 was joined from 3 sources") {
		t.Errorf("got %v", err)
	}
}
