package console

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/mapreel/mapreel/pkg/history"
)

func TestARowNamesTheFilesThatWereMade(t *testing.T) {
	t.Parallel()
	x := history.Execution{
		Name: "film", Status: history.Running,
		Input:  json.RawMessage(`{"source":"/films/film.mkv","outputs":[{"name":"film","container":"hls"}]}`),
		Output: json.RawMessage(`{"outputs":[{"url":"/films/out/film.m3u8"}]}`),
	}
	for _, c := range []struct {
		status history.Status
		want   string
	}{{history.Running, "film.hls"}, {history.Succeeded, "film.m3u8"}} {
		if x.Status = c.status; !slices.Equal(rowOf(x).Outputs, []string{c.want}) {
			t.Errorf("%s: %q, want %s", c.status, rowOf(x).Outputs, c.want)
		}
	}
}
