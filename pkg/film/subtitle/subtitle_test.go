package subtitle

import (
	"strings"
	"testing"
)

func TestAWishIsAFileWithItsLanguage(t *testing.T) {
	for text, want := range map[string]Wish{
		"film.srt": {File: "film.srt"}, "de:film.srt": {File: "film.srt", Language: "de"}, "pt-BR:a:b.vtt": {File: "a:b.vtt", Language: "pt-BR"},
		"s3://b/a.srt": {File: "s3://b/a.srt"}, "deu:s3://b/a.srt": {File: "s3://b/a.srt", Language: "deu"}, "/a/de:x.srt": {File: "/a/de:x.srt"}, "de:": {}, "": {},
	} {
		var w Wish
		if err := w.UnmarshalText([]byte(text)); (err == nil) != (want.File != "") || err == nil && w != want {
			t.Errorf("%q: %+v, %v", text, w, err)
		}
	}
}

func TestLanguagesHaveThreeLetters(t *testing.T) {
	for tag, want := range map[string]string{"de": "deu", "ger": "deu", "deu": "deu", "pt-BR": "por", "EN": "eng", "xq": "", "": ""} {
		f := File{File: "a", Language: tag}
		if got := f.Code(); got != want {
			t.Errorf("%q: %q, want %q", tag, got, want)
		}
		var wrong []string
		f.Check(func(pointer, _ string) { wrong = append(wrong, pointer) })
		if (len(wrong) > 0) != (want == "" && tag != "") {
			t.Errorf("%q: problems %q", tag, wrong)
		}
	}
}

func TestFormatsAreRecognisedByContent(t *testing.T) {
	for text, want := range map[string]Format{
		"1\n00:00:01,000 --> 00:00:02,000\nHi\n":                SubRip,
		"\xef\xbb\xbf\r\n1\r\n0:00:01,0 --> 00:00:02,000\r\nHi": SubRip,
		"WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n":               WebVTT,
		"\xef\xbb\xbfWEBVTT":                                    WebVTT,
		"[Script Info]\nTitle: a\n":                             ASS,
		"#EXTM3U\nhttp://127.0.0.1/\n":                          "",
		"1\n00:00:01,000 --> 00:00:02,000\nGr\xfc\xdfe\n":       "",
		"\xff\xfe1\x00":                                         "",
		"":                                                      "",
	} {
		got, err := FormatOf([]byte(text))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.30q: %q, %v", text, got, err)
		}
	}
	if _, err := FormatOf([]byte("WEBVTT" + strings.Repeat("\n", MaxFile))); err == nil {
		t.Error("a file without end is accepted")
	}
}
