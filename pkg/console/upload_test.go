package console

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/process"
)

func TestAnUploadIsCompleteOrNotThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	send := func(file string, body io.Reader, length int64) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/console/upload?file="+file, body)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = length
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	for range 2 {
		if status, text := send("film.mp4", strings.NewReader("film"), 4); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	if status, text := send("torn.mp4", io.MultiReader(strings.NewReader("to")), 1000); status == 200 {
		t.Errorf("half a film is accepted: %s", text)
	}
	if status, text := send("large.mp4", strings.NewReader("x"), 1<<60); status != http.StatusInsufficientStorage && status != 0 {
		t.Errorf("more than the disk has: %d %s", status, text)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		var found []string
		files, err := os.ReadDir(s.root)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			found = append(found, f.Name())
		}
		if slices.Equal(found, []string{"film-2.mp4", "film.mp4"}) {
			break
		}
		if time.Now().After(deadline) { // the server notices the end of the connection a moment later
			t.Fatalf("the folder has %q", found)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if text, err := os.ReadFile(filepath.Join(s.root, "film.mp4")); string(text) != "film" || err != nil {
		t.Errorf("film.mp4 has %q, %v", text, err)
	}
	for _, bad := range []string{"", "..%2Ffilm.mp4", "%2Fetc%2Ffilm", "a%5Cb", ".hidden", "a%00b", "a%0Ab", "%E2%80%AEfilm.mp4", "%FF", "%20film", strings.Repeat("x", 201)} {
		if status, text := send(bad, strings.NewReader("film"), 4); status != http.StatusUnprocessableEntity {
			t.Errorf("the name %q: %d %s", bad, status, text)
		}
	}
}

func TestUploadsDoNotFillTheDiskTogether(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	free, err := process.FreeDisk(s.root)
	if err != nil {
		t.Fatal(err)
	}
	if free -= uploadReserve; free < 1<<30 {
		t.Skip("NOT TESTED: the disk is too full")
	}
	upload := func(file string, length int64, end <-chan struct{}) int {
		reader, writer := io.Pipe() // nothing comes
		go func() {
			<-end
			_ = writer.CloseWithError(errors.New("torn"))
		}()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/console/upload?file="+file, reader)
		if err != nil {
			t.Error(err)
			return 0
		}
		request.ContentLength = length
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	awaited := func(bytes int64) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			s.arriving.mu.Lock()
			got := s.arriving.bytes
			s.arriving.mu.Unlock()
			if got == bytes {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d bytes are kept for uploads, want %d", got, bytes)
			}
		}
	}
	torn, first := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(first)
		upload("first.mp4", free*9/10, torn)
	}()
	awaited(free * 9 / 10)
	brief, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if status := upload("second.mp4", free/2, brief.Done()); status != http.StatusInsufficientStorage {
		t.Errorf("an upload that does not fit beside another: %d", status)
	}
	close(torn)
	<-first
	awaited(0)
}

func TestOldPartsOfUploadsAreRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	old := time.Now().Add(-2 * maxPartAge)
	for _, name := range []string{".old.upload.part", ".new.upload.part", "film.mp4", ".hidden"} {
		path := filepath.Join(s.root, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, ".new") {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.removeOldParts(t.Context())
	if files, err := os.ReadDir(s.root); err != nil || len(files) != 3 {
		t.Errorf("left are %v, %v", files, err)
	}
	if _, err := os.Stat(filepath.Join(s.root, ".old.upload.part")); err == nil {
		t.Error("an old part is still there")
	}
}
