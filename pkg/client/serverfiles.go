package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/mapreel/mapreel/pkg/fault"
)

// maxListing bounds the list of files in bytes: 300,000 of them, with paths of some 150 bytes.
const maxListing = 128 << 20

// serverFiles returns the files that a job of a server has published, which the server sends.
func (c *Client) serverFiles(ctx context.Context, job Job) (files []remoteFile, err error) {
	body, _, err := c.get(ctx, "files", url.Values{"name": {job.Name}}, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var list []struct {
		Path     string `json:"path"`
		Size     int64  `json:"size"`
		Modified int64  `json:"modified"`
		ETag     string `json:"etag"`
	}
	if err := json.NewDecoder(io.LimitReader(body, maxListing)).Decode(&list); err != nil {
		return nil, fault.Wrap(fault.Transient, err, "list the files of "+job.Name)
	}
	for _, f := range list {
		files = append(files, remoteFile{
			name: f.Path, size: f.Size, version: f.ETag, modified: time.Unix(0, f.Modified),
			open: func(ctx context.Context, offset int64) (io.ReadCloser, *checksum, error) {
				return c.openServerFile(ctx, job, f.Path, f.ETag, offset, f.Size)
			},
		})
	}
	return named(files, job)
}

// openServerFile asks for the bytes of a file from an offset to its end. The server computes the checksum first.
func (c *Client) openServerFile(ctx context.Context, job Job, path, etag string, offset, size int64) (io.ReadCloser, *checksum, error) {
	headers := map[string]string{"Want-Repr-Digest": "sha-256=1", "If-Match": etag}
	if offset > 0 && offset < size {
		headers["Range"] = fmt.Sprintf("bytes=%d-", offset)
	}
	body, header, err := c.get(ctx, "file", url.Values{"name": {job.Name}, "path": {path}}, headers)
	if err != nil {
		return nil, nil, err
	}
	encoded, _ := strings.CutPrefix(header.Get("Repr-Digest"), "sha-256=:")
	want, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, ":"))
	if err != nil || len(want) != sha256.Size {
		_ = body.Close() // nothing is wanted of it
		return nil, nil, fault.New(fault.Unsupported, "fetch %s: the server sends no checksum", path)
	}
	if offset > 0 && offset == size { // there is everything; only the checksum was wanted
		_ = body.Close()
		body = http.NoBody
	}
	return body, &checksum{"SHA-256", sha256.New(), want}, nil
}

// get asks the server's page for something. The token signs the request, as it does those of the API.
func (c *Client) get(ctx context.Context, what string, query url.Values, headers map[string]string) (io.ReadCloser, http.Header, error) {
	return c.ask(ctx, http.MethodGet, what, query, headers, nil)
}

// ask is get with a method and a body.
func (c *Client) ask(ctx context.Context, method, what string, query url.Values, headers map[string]string, content []byte) (io.ReadCloser, http.Header, error) {
	address := strings.TrimSuffix(c.endpoint, "/") + path.Join("/console", what) + "?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(content))
	if err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, err, "ask "+c.endpoint)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	hash := sha256.Sum256(content)
	who := aws.Credentials{AccessKeyID: machineName, SecretAccessKey: c.secret}
	if err := v4.NewSigner().SignHTTP(ctx, who, request, hex.EncodeToString(hash[:]), "states", "local", time.Now()); err != nil {
		return nil, nil, fault.Wrap(fault.Internal, err, "sign a request")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Transient, err, "ask "+c.endpoint)
	}
	if answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusPartialContent {
		return answer.Body, answer.Header, nil
	}
	defer answer.Body.Close()
	return nil, nil, c.refused(answer, query)
}

// refused returns the error of an answer that has another status than one of success.
func (c *Client) refused(answer *http.Response, query url.Values) error {
	const longest = 4 << 10
	text, _ := io.ReadAll(io.LimitReader(answer.Body, longest)) // the status says enough
	var refusal struct{ Error string }
	if json.Unmarshal(text, &refusal) != nil || refusal.Error == "" {
		refusal.Error = strings.TrimSpace(string(text))
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.New(fault.Invalid, "%s refuses: %s", c.endpoint, refusal.Error)
	case http.StatusPreconditionFailed:
		return fault.WithHint(fault.New(fault.Corrupt, "fetch %s: it was replaced meanwhile", query.Get("path")), "the same command fetches it anew")
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fault.New(fault.NotFound, "%s", refusal.Error)
	case http.StatusConflict:
		return fault.New(fault.Corrupt, "%s", refusal.Error)
	case http.StatusUnprocessableEntity:
		return fault.New(fault.Invalid, "%s refuses: %s", c.endpoint, refusal.Error)
	case http.StatusInsufficientStorage:
		return fault.New(fault.OutOfSpace, "%s: %s", c.endpoint, refusal.Error)
	}
	return fault.New(fault.Transient, "%s answers %s: %s", c.endpoint, answer.Status, refusal.Error)
}
