package intake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// Sidecar is what a preset's name has after the upload's: film.mkv.mapreel.json is the request for film.mkv.
const Sidecar = ".mapreel.json"

// objectCreated is the event of a bucket's new object, as EventBridge passes it on.
type objectCreated struct {
	Detail struct {
		Bucket struct{ Name string } `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			ETag      string `json:"etag"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"detail"`
}

// Upload starts an execution for an upload: with the request of its sidecar if it has one, else with the default request. The
// same event twice starts one execution. An error of kind Invalid says what is wrong with the sidecar.
func (s *Service) Upload(ctx context.Context, event json.RawMessage) (any, error) {
	var e objectCreated
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "event of the bucket")
	}
	bucket, key := e.Detail.Bucket.Name, e.Detail.Object.Key
	if bucket == "" || key == "" {
		return nil, fault.New(fault.Internal, "event of the bucket: it names no object")
	}
	source := "s3://" + bucket + "/" + key
	if !strings.HasPrefix(key, Watched) || strings.HasPrefix(key, Submitted) || strings.HasSuffix(key, Sidecar) {
		// An output, the source of a job that its client starts, or the request for an upload.
		return Status{}, nil
	}
	request, err := s.preset(ctx, source)
	if err != nil {
		return nil, s.refuse(ctx, source, err)
	}
	st, err := s.Submit(ctx, uploadName(key, bucket, e.Detail.Object.ETag, e.Detail.Object.Sequencer), request)
	if err != nil {
		return nil, s.refuse(ctx, source, err)
	}
	return st, nil
}

// refuse tells the subscribers of an upload that nothing was started for. It returns err, which makes Lambda try again, because
// what is missing may come: a sidecar is often uploaded after its film.
func (s *Service) refuse(ctx context.Context, source string, err error) error {
	if s.Publish == nil || fault.KindOf(err) != fault.Invalid {
		return err
	}
	text := "No job was started for the upload " + source + ".\n\n" + err.Error() + "\n\nCorrect " + source + Sidecar + ", then upload the source again.\n"
	if perr := s.Publish(ctx, "mapreel: upload refused", text); perr != nil {
		return perr
	}
	return err
}

// preset returns the request for an upload. Source and destination of a sidecar are the upload's own unless it names them.
func (s *Service) preset(ctx context.Context, source string) ([]byte, error) {
	store, key, err := s.Resolve(ctx, source+Sidecar)
	if err != nil {
		return nil, err
	}
	request := map[string]any{"outputs": []any{map[string]any{"name": "video"}}}
	switch text, err := readAll(ctx, store.Open, key); {
	case fault.KindOf(err) == fault.NotFound:
	case err != nil:
		return nil, err
	default:
		tree, err := film.DecodeJSON(text)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, source+Sidecar)
		}
		object, ok := tree.(map[string]any)
		if !ok {
			return nil, fault.New(fault.Invalid, "%s is not a request: it must be a JSON object", source+Sidecar)
		}
		request = object
	}
	if given, ok := request["source"]; ok && given != source {
		return nil, fault.New(fault.Invalid, "%s has another source than the upload beside it; leave it out", source+Sidecar)
	}
	request["source"] = source
	if _, ok := request["destination"]; !ok {
		request["destination"] = s.destination(source)
	}
	if to, _ := request["destination"].(string); s.watches(to) {
		return nil, fault.New(fault.Invalid, "the destination %s of %s is where uploads start jobs: each output would start another; choose one outside %s",
			to, source+Sidecar, Watched)
	}
	data, err := json.Marshal(request)
	return data, fault.Wrap(fault.Internal, err, "request")
}

// watches reports whether an object below url would be an upload.
func (s *Service) watches(url string) bool {
	return slices.ContainsFunc(s.Sources, func(p Place) bool { return strings.HasPrefix(url, Place{p.Bucket, Watched}.String()) })
}

// Watched is the prefix of the keys whose uploads start jobs. Events of others come too, since a rule cannot ask for both ends of a
// key.
const Watched = "in/"

// Submitted is the prefix of the keys below Watched whose uploads start no jobs: mapreel submit starts them itself.
const Submitted = Watched + "submitted/"

// destination returns the folder for the outputs of a source: its key, in the first destination. In a bucket that is a
// destination as a whole, they are kept apart from uploads.
func (s *Service) destination(source string) string {
	_, key, _ := strings.Cut(strings.TrimPrefix(source, "s3://"), "/")
	to := s.Destinations[0]
	to.Prefix = cmp.Or(to.Prefix, "out/")
	return to.String() + strings.TrimPrefix(key, Watched) + "/"
}

// readAll reads an object of at most film.MaxRequest bytes.
func readAll(ctx context.Context, open func(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error), key string) ([]byte, error) {
	r, err := open(ctx, key, 0, film.MaxRequest+1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err == nil && len(data) > film.MaxRequest {
		err = fault.New(fault.Invalid, "%s is longer than the %d bytes of a request", key, film.MaxRequest)
	}
	return data, err
}

var unnamed = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// uploadName returns a name for the execution of one upload: readable, and different for another object or another version of it.
func uploadName(key string, identity ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(append(identity, key), "\x00")))
	name := strings.Trim(unnamed.ReplaceAllString(path.Base(key), "-"), "-")
	return "upload-" + name[:min(len(name), 48)] + "-" + hex.EncodeToString(sum[:10])
}
