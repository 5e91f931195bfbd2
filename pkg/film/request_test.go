package film_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"pgregory.net/rapid"
)

func TestParseBitrate(t *testing.T) {
	for text, want := range map[string]film.Bitrate{
		"160k": 160_000, "96000": 96_000, "2.5M": 2_500_000, "2.3M": 2_300_000, "1.001k": 1001, "0.5k": 500, "1": 1,
		"1.50k": 1500, "007k": 7000, "1000M": 1_000_000_000, "64.000": 64,
	} {
		if got, err := film.ParseBitrate(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, int64(got), err, int64(want))
		}
	}
	for _, bad := range []string{
		"", "k", "0", "0k", "-1", "-160k", "+160k", "160K", "160 k", " 160k", "160kb", "1e5", "0x10", "1_000", ".5k", "5.k", "0.5",
		"1.0001k", "inf", "NaN", "1001M", "99999999999999999999", strings.Repeat("9", 1000), "160k\n", "１６０k",
	} {
		if got, err := film.ParseBitrate(bad); err == nil {
			t.Errorf("%q is read as %d", bad, int64(got))
		}
	}
}

func TestBitrateTextIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := film.Bitrate(rapid.Int64Range(1, 1_000_000_000).Draw(t, "bitrate"))
		if got, err := film.ParseBitrate(want.String()); err != nil || got != want {
			t.Fatalf("%d is written %q and read as %d, %v", int64(want), want, int64(got), err)
		}
		millions := new(big.Rat).SetFrac64(int64(want), 1_000_000).FloatString(6) + "M"
		if got, err := film.ParseBitrate(millions); err != nil || got != want {
			t.Fatalf("%q is read as %d, %v, want %d", millions, int64(got), err, int64(want))
		}
	})
}

func TestBitrateInJSON(t *testing.T) {
	for _, text := range []string{`"160k"`, `160000`, `1.6e5`, `160000.0`} {
		var got film.Bitrate
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != 160_000 {
			t.Errorf("%s: got %d, %v, want 160000", text, int64(got), err)
		}
	}
	for _, bad := range []string{`true`, `null`, `[1]`, `{}`, `0`, `-5`, `0.5`, `1e300`, `1e999`, `"loud"`, `"1.6e5"`, `""`} {
		got := new(film.Bitrate)
		if err := got.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s is read as %d", bad, int64(*got))
		}
	}
	if data, err := json.Marshal(film.Bitrate(160_000)); err != nil || string(data) != `"160k"` {
		t.Errorf("written as %s, %v", data, err)
	}
}

func TestSecondsKeepNanosecondsThroughJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := film.Seconds(rapid.Int64Range(0, int64(1e6*time.Second)).Draw(t, "nanoseconds"))
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got film.Seconds
		if err := json.Unmarshal(data, &got); err != nil || got != want {
			t.Fatalf("%d ns are written %s and read as %d ns, %v", want, data, got, err)
		}
	})
	for text, want := range map[string]time.Duration{
		"10": 10 * time.Second, "1.001": 1001 * time.Millisecond, "1e2": 100 * time.Second,
	} {
		var got film.Seconds
		if err := json.Unmarshal([]byte(text), &got); err != nil || time.Duration(got) != want {
			t.Errorf("%s: got %v, %v, want %v", text, time.Duration(got), err, want)
		}
	}
	for _, bad := range []string{`"10"`, `null`, `true`, `-1`, `1e7`, `1e999`} {
		got := new(film.Seconds)
		if err := got.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s is read as %v", bad, time.Duration(*got))
		}
	}
}

func TestAnotherNameOfACodecIsExplained(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"hevc": `"hevc" is called h265 here`, "libx264": `"libx264" is called h264 here`, "divx": `"divx" is not one of h264, h265, vp9, av1`} {
		_, err := film.Parse([]byte(`{"source": "/a.mkv", "destination": "/b/", "outputs": [{"name": "a", "video": [{"codec": "` + name + `"}]}]}`))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("codec %s: %v, want %s", name, err, want)
		}
	}
}
