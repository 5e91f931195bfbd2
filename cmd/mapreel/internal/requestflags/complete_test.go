package requestflags

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// What shells offer for a flag must be a value that a request of some codec takes.
func TestValuesThatAreOfferedAreAccepted(t *testing.T) {
	t.Parallel()
	samples := map[string]string{"xpsnr=": "xpsnr=42", "ssim=": "ssim=0.98", "vmaf=": "vmaf=94"}
	at := Place{
		Here: true, Source: func(s string) (string, error) { return "/in/" + s, nil }, Destination: func(s string) (string, error) { return "/out/" + s, nil },
	}
	accepted := func(args ...string) error {
		var flags Flags
		parser, err := kong.New(&flags)
		if err != nil {
			return err
		}
		if _, err := parser.Parse(args); err != nil {
			return err
		}
		flags.Source, flags.Output = "film.mkv", "film.mkv"
		if slices.Contains(args, "--ladder") || slices.Contains(args, "--thumbnails") {
			flags.Output = "film.m3u8"
		}
		_, _, err = flags.Read(strings.NewReader(""), at)
		return err
	}
	parser, err := kong.New(&Flags{})
	if err != nil {
		t.Fatal(err)
	}
	offered := 0
	for _, f := range parser.Model.Flags {
		if f.Tag.Get("complete") == "" {
			continue
		}
		for word := range strings.SplitSeq(f.Tag.Get("complete"), ",") {
			offered++
			value := word
			if sample, ok := samples[word]; ok {
				value = sample
			}
			var refused []string
			tries := [][]string{nil, {"--codec", "h265"}, {"--codec", "av1"}}
			for _, more := range tries {
				if err := accepted(append([]string{"--" + f.Name, value}, more...)...); err != nil {
					refused = append(refused, err.Error())
				}
			}
			if len(refused) == len(tries) {
				t.Errorf("--%s %s: %s", f.Name, value, refused[0])
			}
		}
	}
	if offered < 40 {
		t.Errorf("%d values are offered", offered)
	}
}
