package judge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/internal/exact/source"
	"github.com/mapreel/mapreel/pkg/local"
)

// receive makes a request about the file of a task one about what comes from elsewhere, as the task says. leave ends that.
func (t Task) receive(ctx context.Context, request json.RawMessage, opts local.Options) (_ json.RawMessage, _ local.Options, leave func(), err error) {
	leave = func() {}
	if t.From == "" {
		return request, opts, leave, nil
	}
	f, err := os.Open(t.Path)
	if err != nil {
		return nil, opts, leave, err
	}
	leave = func() { _ = f.Close() } // only read
	at := local.Pipe
	if t.From != source.FromPipe {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.serve(w, r) }))
		leave = func() { server.Close(); _ = f.Close() }
		at = server.URL + "/" + url.PathEscape(filepath.Base(t.Path)) + "?token=secret"
	}
	var fields map[string]any
	if err := json.Unmarshal(request, &fields); err != nil {
		return nil, opts, leave, err
	}
	fields["source"] = at
	if request, err = json.Marshal(fields); err != nil {
		return nil, opts, leave, err
	}
	request, opts, err = local.Receive(ctx, request, opts, local.Input{Stdin: f})
	if err != nil {
		leave()
	}
	return request, opts, leave, err
}

// serve is the web server that has the source.
func (t Task) serve(w http.ResponseWriter, r *http.Request) {
	f, err := os.Open(t.Path)
	if err != nil || r.URL.Path != "/"+filepath.Base(t.Path) || r.URL.RawQuery != "token=secret" {
		http.NotFound(w, r)
		return
	}
	defer f.Close() //nolint:errcheck // only read
	if t.From == source.FromStream {
		_, _ = io.Copy(w, f) // the client notices
		return
	}
	info, err := f.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf("\"%d-%d\"", info.Size(), info.ModTime().UnixNano()))
	http.ServeContent(w, r, "", info.ModTime(), f)
}
