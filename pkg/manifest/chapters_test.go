package manifest

import (
	"strings"
	"testing"
)

func TestChaptersAreWrittenForPagesAndPlayers(t *testing.T) {
	t.Parallel()
	list := []Chapter{{0, 2_500_000_000, "First <b>\n--> & co"}, {2_500_000_000, 3_723_004_000_000, ""}}
	const vtt = "WEBVTT\n\n1\n00:00:00.000 --> 00:00:02.500\nFirst &lt;b&gt; --&gt; &amp; co\n\n2\n00:00:02.500 --> 01:02:03.004\nChapter 2\n"
	if got := ChaptersVTT(list); got != vtt {
		t.Errorf("got %q, want %q", got, vtt)
	}
	got, err := ChaptersJSON(list)
	text := strings.Join(strings.Fields(string(got)), "")
	const want = `[{"chapter":1,"start-time":0.000000,"duration":2.500000,"titles":[{"language":"und","title":"First\u003cb\u003e--\u003e\u0026co"}]},` +
		`{"chapter":2,"start-time":2.500000,"duration":3720.504000,"titles":[{"language":"und","title":"Chapter2"}]}]`
	if err != nil || text != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, text, want)
	}
}
