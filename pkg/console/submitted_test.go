package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// submission sends parts of a file as mapreel submit does.
func (s *site) submission(method, file string, size int64, sum string, offset int, data []byte) (int, Submitted, string) {
	s.t.Helper()
	query := url.Values{"file": {file}, "size": {fmt.Sprint(size)}, "sha256": {sum}, "offset": {fmt.Sprint(offset)}}
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/console/submitted?"+query.Encode(), bytes.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(answer.Body)
	var state Submitted
	_ = json.Unmarshal(text.Bytes(), &state)
	return answer.StatusCode, state, text.String()
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestASubmittedFileIsAppendedAndThereWhenItsChecksumIsRight(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	film := []byte("all of the film")
	size, sum := int64(len(film)), sumOf(film)
	for _, step := range []struct {
		offset int
		data   string
		have   int64
	}{
		{0, "all of", 6},
		{0, "all", 6},    // sent twice
		{9, "film", 6},   // before what is between
		{6, " the ", 11}, // in its place
	} {
		if status, got, text := s.submission(http.MethodPost, "film.mp4", size, sum, step.offset, []byte(step.data)); status != 200 || got.Have != step.have || got.Path != "" {
			t.Errorf("%q at %d: %d %s", step.data, step.offset, status, text)
		}
	}
	if status, got, text := s.submission(http.MethodGet, "film.mp4", size, sum, 0, nil); status != 200 || got.Have != 11 || got.Path != "" {
		t.Errorf("what is there: %d %s", status, text)
	}
	want := filepath.Join(s.root, "submitted", sum, "film.mp4")
	if _, err := os.Stat(want); err == nil {
		t.Error("an incomplete file has its name")
	}
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		if status, got, text := s.submission(method, "film.mp4", size, sum, 11, film[11:]); status != 200 || got.Path != want || got.Have != size {
			t.Errorf("%s: %d %s", method, status, text)
		}
	}
	if got, err := os.ReadFile(want); !bytes.Equal(got, film) {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.WriteFile(want, bytes.ToUpper(film), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, got, text := s.submission(http.MethodGet, "film.mp4", size, sum, 0, nil); status != 200 || got.Path != "" {
		t.Errorf("another file of its name and size: %d %s", status, text)
	}
	status, _, text := s.submission(http.MethodPost, "torn.mp4", size, sum, 0, bytes.ToUpper(film))
	if left, err := os.ReadDir(filepath.Dir(want)); status != http.StatusConflict || !strings.Contains(text, "another checksum") || len(left) != 1 {
		t.Errorf("another content: %d %s; %v, %v", status, text, left, err)
	}
}

func TestSubmissionsThatAreWrongAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	sum := sumOf([]byte("film"))
	for _, c := range []struct {
		file, sum    string
		size         int64
		offset, want int
		data         string
	}{
		{"../film.mp4", sum, 4, 0, 422, "film"},
		{".film.mp4", sum, 4, 0, 422, "film"},
		{"a\u202eb.mp4", sum, 4, 0, 422, "film"},
		{"film.mp4", "../../../../etc", 4, 0, 422, "film"},
		{"film.mp4", sum[:62], 4, 0, 422, "film"},
		{"film.mp4", sum, 0, 0, 422, ""},
		{"film.mp4", sum, 4, -1, 422, "film"},
		{"film.mp4", sum, 4, 5, 422, ""},
		{"film.mp4", sum, 4, 2, 422, "film"},
		{"film.mp4", sum, 1 << 60, 0, http.StatusInsufficientStorage, "film"},
		{"film.mp4", sum, 1 << 60, 0, 400, strings.Repeat("x", MaxSubmittedPart+1)},
	} {
		if status, _, text := s.submission(http.MethodPost, c.file, c.size, c.sum, c.offset, []byte(c.data)); status != c.want {
			t.Errorf("%q, %s, %d, %d: %d %s, want %d", c.file, c.sum, c.size, c.offset, status, text, c.want)
		}
	}
	if left, err := os.ReadDir(s.root); len(left) > 0 || err != nil {
		t.Errorf("left are %v, %v", left, err)
	}
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(s.root, submittedFolder)); err != nil {
		t.Fatal(err)
	}
	status, _, text := s.submission(http.MethodPost, "film.mp4", 4, sum, 0, []byte("film"))
	if left, err := os.ReadDir(elsewhere); status == 200 || len(left) > 0 || err != nil {
		t.Errorf("through a link: %d %s, %v, %v", status, text, left, err)
	}
}

func TestSubmissionsThatWereGivenUpAreRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i, age := range []time.Duration{0, 2 * maxPartAge} {
		film := []byte{byte(i), 1, 2}
		if status, _, text := s.submission(http.MethodPost, "film.mp4", 3, sumOf(film), 0, film[:2]); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(s.root, submittedFolder, sumOf(film), ".film.mp4.upload.part"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	s.removeOldParts(t.Context())
	if left, err := os.ReadDir(filepath.Join(s.root, submittedFolder)); len(left) != 1 || left[0].Name() != sumOf([]byte{0, 1, 2}) {
		t.Errorf("left are %v, %v", left, err)
	}
}
