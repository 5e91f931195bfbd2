// Package s3blob is a blob.Store in an S3 bucket, beneath a prefix.
//
//	store, err := s3blob.New(s3.NewFromConfig(config), "my-bucket", "jobs/", s3blob.Options{})
//
// Whole objects appear at once, as S3 promises. Compose has S3 copy what it can copy (UploadPartCopy) and moves only
// what is too small for a part of its own; see plan.go.
//
// What S3 refuses or drops for a moment is tried again, by the SDK for a request and by the reader for a body that
// breaks off in the middle; what remains comes out as fault.Transient.
package s3blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

const (
	// attempts is how often a request is made before its failure is ours. With the SDK's backoff that is about a minute,
	// in which S3 splits a prefix that a thousand workers begin to read at once.
	attempts = 8

	// defaultPartSize and defaultTransfers bound a Put to (3+2)×8 MiB: the parts on the way, the next and, while the
	// first is read, its growing buffer.
	defaultPartSize  = 8 << 20
	defaultTransfers = 3

	// defaultCopies is how many parts S3 is asked to copy at a time. A copy costs this process one open request, and S3
	// some seconds for each 100 MiB.
	defaultCopies = 16

	// defaultGathers fills the network of a function, some 75 MB/s, with as many connections.
	defaultGathers = 8

	// defaultLinkLife is longer than any worker runs: 15 minutes on Lambda, some hours on Batch. A link also ends with
	// the credentials that signed it.
	defaultLinkLife = 12 * time.Hour

	// abortsWithin is the time that is left for tidying up when a call fails, its own context's end included.
	abortsWithin = 30 * time.Second
)

// Options are the bounds of a store's memory and requests. The zero value suits a function of 512 MB.
type Options struct {
	// PartSize in bytes is what Put holds of each part it sends; 8 MiB where it is 0. A Put of unknown length may be as
	// long as 10,000 parts, of known length (an io.Seeker) as long as it likes: its parts grow.
	PartSize int64
	// Transfers is how many parts a Put has on the way at a time; 3 where it is 0.
	Transfers int
	// Gathers is how many parts Compose sends at a time of what S3 cannot copy; 8 where it is 0. They are streamed.
	Gathers int
	// Copies is how many parts Compose has S3 copy at a time; 16 where it is 0.
	Copies int
	// LinkLife is how long what Locate returns can be opened; 12 hours where it is 0. S3 allows 7 days.
	LinkLife time.Duration
}

// Store is a bucket, or the part of it whose keys begin with a prefix.
type Store struct {
	given   *s3.Client // as New was given it: what stores share
	client  *s3.Client // the same, with patience
	presign *s3.PresignClient
	uploads *transfermanager.Client
	bucket  string
	prefix  string
	cached  *string // Cache-Control of what is written; nil: none
	options Options
}

var _ blob.Store = (*Store)(nil)

// New returns the store in bucket whose keys all begin with prefix: "" or a path that ends in a slash. It asks nothing
// of S3 yet. Stores that share a client can compose from each other without moving bytes.
func New(client *s3.Client, bucket, prefix string, options Options) (*Store, error) {
	if bucket == "" {
		return nil, fault.New(fault.Invalid, "no bucket given")
	}
	if prefix != "" {
		folder, ok := strings.CutSuffix(prefix, "/")
		if !ok {
			return nil, fault.New(fault.Invalid, "prefix %q does not end in a slash", prefix)
		}
		if err := blob.CheckKey(folder); err != nil {
			return nil, fmt.Errorf("prefix: %w", err)
		}
	}
	setDefault(&options.PartSize, defaultPartSize)
	setDefault(&options.Transfers, defaultTransfers)
	setDefault(&options.Gathers, defaultGathers)
	setDefault(&options.Copies, defaultCopies)
	setDefault(&options.LinkLife, defaultLinkLife)
	if options.PartSize < minPart {
		return nil, fault.New(fault.Internal, "parts of %d bytes are less than S3's %d", options.PartSize, minPart)
	}
	s := &Store{given: client, client: s3.New(client.Options(), patience), bucket: bucket, prefix: prefix, options: options}
	s.presign = s3.NewPresignClient(s.client)
	s.uploads = transfermanager.New(s.client, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold = options.PartSize, options.PartSize
		o.Concurrency = options.Transfers
		o.FailTimeout = abortsWithin // or it would abort with the context that has just ended
	})
	return s, nil
}

// Cached returns the same store, which writes objects with this Cache-Control. See blob.Cached.
func (s *Store) Cached(control string) blob.Store {
	other := *s
	other.cached = &control
	return &other
}

func setDefault[T int | int64 | time.Duration](option *T, value T) {
	if *option == 0 {
		*option = value
	}
}

// Stat describes the object at key.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	name, err := s.begin(ctx, "look at", key)
	if err != nil {
		return blob.Info{}, err
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &name})
	if err != nil {
		return blob.Info{}, s.fail(ctx, "look at", key, err)
	}
	return blob.Info{
		Key: key, Size: aws.ToInt64(head.ContentLength), Version: aws.ToString(head.ETag),
		Modified: aws.ToTime(head.LastModified),
	}, nil
}

// Put writes r until its end and publishes it at key. See Options for the memory it uses.
func (s *Store) Put(ctx context.Context, key string, r io.Reader) (blob.Info, error) {
	name, err := s.begin(ctx, "write", key)
	if err != nil {
		return blob.Info{}, err
	}
	body := &source{reader: r}
	out, err := s.uploads.UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: &s.bucket, Key: &name, Body: body.asSeeker(), ContentType: contentType(key), CacheControl: s.cached,
	})
	switch {
	case body.err != nil: // the upload wraps it, or merely stops
		return blob.Info{}, fmt.Errorf("write %s: %w", s.url(key), body.err)
	case err != nil && body.length < 0 && body.read > maxParts*s.options.PartSize:
		return blob.Info{}, &fault.Error{
			Kind: fault.Unsupported, What: "write " + s.url(key), Err: err,
			Hint: "the stream is longer than 10,000 parts; use larger parts, or write it in pieces",
		}
	case err != nil:
		return blob.Info{}, s.fail(ctx, "write", key, err)
	}
	return written(key, body.read, out.ETag), nil
}

// List yields the objects whose key begins with prefix, in ascending order of key, a page of up to 1,000 at a time.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := s.alive(ctx, "list", prefix); err != nil {
			yield(blob.Info{}, err)
			return
		}
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
			Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix),
			EncodingType: types.EncodingTypeUrl, // XML cannot hold every character that a key can
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(blob.Info{}, s.fail(ctx, "list", prefix, err))
				return
			}
			for _, object := range page.Contents {
				name := aws.ToString(object.Key)
				if page.EncodingType == types.EncodingTypeUrl {
					if name, err = url.QueryUnescape(name); err != nil {
						yield(blob.Info{}, fault.Wrap(fault.Internal, err, "read S3's encoding of key "+*object.Key))
						return
					}
				}
				key := strings.TrimPrefix(name, s.prefix)
				if blob.CheckKey(key) != nil {
					continue // the console marks "folders" by keys that end in a slash
				}
				if !yield(blob.Info{
					Key: key, Size: aws.ToInt64(object.Size), Version: aws.ToString(object.ETag),
					Modified: aws.ToTime(object.LastModified),
				}, nil) {
					return
				}
			}
		}
	}
}

// Delete removes the object at key.
func (s *Store) Delete(ctx context.Context, key string) error {
	name, err := s.begin(ctx, "delete", key)
	if err != nil {
		return err
	}
	_, err = s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &name})
	if err != nil && !isAbsent(err) {
		return s.fail(ctx, "delete", key, err)
	}
	return nil
}

// Locate returns a URL, signed at this moment, from which the object can be read for Options.LinkLife.
func (s *Store) Locate(ctx context.Context, key string) (string, error) {
	if _, err := s.Stat(ctx, key); err != nil {
		return "", err
	}
	request, err := s.presign.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + key),
	}, s3.WithPresignExpires(s.options.LinkLife))
	if err != nil {
		return "", s.fail(ctx, "sign a link to", key, err)
	}
	return request.URL, nil
}

// begin is what every call on a key does first. It returns the object's name in the bucket.
func (s *Store) begin(ctx context.Context, op, key string) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", err
	}
	if err := blob.CheckKey(s.prefix + key); err != nil { // together they may be too long
		return "", err
	}
	return s.prefix + key, s.alive(ctx, op, key)
}

func (s *Store) alive(ctx context.Context, op, key string) error {
	if ctx.Err() != nil {
		return s.fail(ctx, op, key, ctx.Err())
	}
	return nil
}

// url names the object as people do.
func (s *Store) url(key string) string { return "s3://" + s.bucket + "/" + s.prefix + key }

// written describes an object that S3 has just taken. S3 does not say its time; the clocks differ by little.
func written(key string, size int64, etag *string) blob.Info {
	return blob.Info{Key: key, Size: size, Version: aws.ToString(etag), Modified: time.Now().UTC().Truncate(time.Second)}
}

// patience is how every request is made, with the backoff that the client was given.
func patience(o *s3.Options) {
	o.RetryMaxAttempts = attempts
	// Parts that S3 copied have no checksum it could send; the SDK would log that for each.
	o.DisableLogOutputChecksumValidationSkipped = true
}

// contentType is what browsers and players are told of outputs; of all else S3 says application/octet-stream.
func contentType(key string) *string {
	byExtension := map[string]string{
		".mp4": "video/mp4", ".m4s": "video/iso.segment", ".m4a": "audio/mp4", ".webm": "video/webm",
		".mkv": "video/x-matroska", ".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml",
		".vtt": "text/vtt", ".json": "application/json", ".jpg": "image/jpeg", ".png": "image/png", ".gif": "image/gif",
	}
	if t, ok := byExtension[strings.ToLower(path.Ext(key))]; ok {
		return &t
	}
	return nil
}

// source counts what is read of a Put's reader and keeps its error, which is the reader's and not S3's.
type source struct {
	reader io.Reader
	read   int64
	length int64 // -1 where it is not known
	err    error
}

// asSeeker shows a reader that knows its length as one, so that the parts are made large enough for it.
func (s *source) asSeeker() io.Reader {
	s.length = -1
	seeker, ok := s.reader.(io.Seeker)
	if !ok {
		return s
	}
	if n, err := tmtypes.SeekerLen(seeker); err == nil {
		s.length = n
		return seekingSource{s, seeker}
	}
	return s // a pipe, for one, is a file that cannot seek
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.reader.Read(p)
	s.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

type seekingSource struct {
	*source
	io.Seeker
}
