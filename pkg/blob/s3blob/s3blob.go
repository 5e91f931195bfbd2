// Package s3blob implements blob.Store in an S3 bucket, under a prefix.
//
//	store, err := s3blob.New(s3.NewFromConfig(config), "my-bucket", "jobs/", s3blob.Options{})
//
// S3 publishes objects atomically. Compose has S3 copy ranges (UploadPartCopy) and streams only those
// that are too small for a part of their own; see plan.go.
//
// Temporary failures are retried: by the SDK for a request, and by the reader for a body that ends
// early. If the retries fail as well, the error is fault.Transient.
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
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

const (
	// attempts is how often a request is made before the call fails. With the SDK's backoff that takes
	// about a minute, in which S3 scales up for a prefix that a thousand workers start to read at once.
	attempts = 8

	// defaultPartSize and defaultTransfers bound the memory of a Put to (3+2)×8 MiB: three parts in
	// transfer, the next part, and the growing buffer in which the first is read.
	defaultPartSize  = 8 << 20
	defaultTransfers = 3

	// defaultCopies is the number of concurrent copies in S3. A copy costs this process one open
	// request, and takes S3 a few seconds per 100 MiB.
	defaultCopies = 16

	// defaultGathers connections saturate the network of a Lambda function, about 75 MB/s.
	defaultGathers = 8

	// defaultLinkLife is how long an attempt at a Batch job may take, whose context has no deadline. A
	// link also expires with the credentials that signed it.
	defaultLinkLife = 6 * time.Hour

	// linkSlack is by how much a link outlives the work that it is made for: two clocks differ, and a
	// program that is told to stop at its deadline takes a moment.
	linkSlack = time.Minute

	// abortTimeout bounds the removal of a failed upload's parts, also after the call's context ended.
	abortTimeout = 30 * time.Second
)

// Options bound a store's memory and concurrency. The zero value suits a function of 512 MB.
type Options struct {
	// PartSize is the size in bytes of the parts that Put sends and holds in memory; 0 means 8 MiB. A
	// Put of unknown length is limited to 10,000 parts. If the length is known (an io.Seeker), the
	// parts grow with it.
	PartSize int64
	// Transfers is the number of parts that a Put sends concurrently; 0 means 3.
	Transfers int
	// Gathers is the number of parts that Compose streams concurrently, of those that S3 cannot copy;
	// 0 means 8.
	Gathers int
	// Copies is the number of parts that Compose has S3 copy concurrently; 0 means 16.
	Copies int
	// LinkLife is how long a URL from Locate is valid at most; 0 means 6 hours. S3 allows 7 days.
	LinkLife time.Duration
	// Owner is the ID of the AWS account that the bucket must belong to; "" means any. S3 refuses
	// every request to a bucket of that name in another account.
	Owner string
}

// Store is a bucket, or the part of it whose keys begin with a prefix.
type Store struct {
	base         *s3.Client // as given to New; S3 can copy between stores with the same base
	client       *s3.Client // base with more retries
	presign      *s3.PresignClient
	uploads      *transfermanager.Client
	bucket       string
	prefix       string
	cacheControl *string // of the objects that are written; nil: none
	keep         bool    // replace no object
	options      Options
}

var _ blob.Store = (*Store)(nil)

// New returns the store in bucket whose keys all begin with prefix, which is "" or a path that ends in
// a slash. It makes no request yet. Stores that share a client compose from each other by copies in
// S3.
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
		return nil, fault.New(fault.Internal, "parts of %d bytes are smaller than S3's minimum of %d", options.PartSize, minPart)
	}
	s := &Store{base: client, bucket: bucket, prefix: prefix, options: options}
	s.client = s3.New(client.Options(), setRetries, expectOwner(options.Owner))
	// A link has no header for the owner. Locate finds the object with one first.
	s.presign = s3.NewPresignClient(s3.New(client.Options(), setRetries))
	s.uploads = transfermanager.New(s.client, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold = options.PartSize, options.PartSize
		o.Concurrency = options.Transfers
		o.FailTimeout = abortTimeout // by default it uses the context that has just ended
	})
	return s, nil
}

// Cached returns a store that writes the same objects with this Cache-Control. See blob.Cached.
func (s *Store) Cached(control string) blob.Store {
	other := *s
	other.cacheControl = &control
	return &other
}

// setDefault sets an option that is 0.
func setDefault[T int | int64 | time.Duration](option *T, value T) {
	if *option == 0 {
		*option = value
	}
}

// Stat describes the object at key.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	name, err := s.begin(ctx, "stat", key)
	if err != nil {
		return blob.Info{}, err
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &name})
	if err != nil {
		return blob.Info{}, s.fail(ctx, "stat", key, err)
	}
	return blob.Info{
		Key: key, Size: aws.ToInt64(head.ContentLength), Version: aws.ToString(head.ETag),
		Modified: aws.ToTime(head.LastModified),
	}, nil
}

// Put writes r until its end and publishes it at key. See Options for the memory it uses.
func (s *Store) Put(ctx context.Context, key string, r io.Reader) (blob.Info, error) {
	name, err := s.begin(ctx, "write", key)
	if err == nil {
		err = s.checkAbsent(ctx, key)
	}
	if err != nil {
		return blob.Info{}, err
	}
	body := &source{reader: r}
	out, err := s.uploads.UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: &s.bucket, Key: &name, Body: body.asSeeker(), ContentType: contentType(key), CacheControl: s.cacheControl,
	})
	switch {
	case body.err != nil: // the reader's error first: the upload's may hide it
		return blob.Info{}, fmt.Errorf("write %s: %w", s.url(key), body.err)
	case err != nil && body.length < 0 && body.read > maxParts*s.options.PartSize:
		return blob.Info{}, &fault.Error{
			Kind: fault.Unsupported, What: "write " + s.url(key), Err: err,
			Hint: "the stream is longer than 10,000 parts; use larger parts, or write it as several objects",
		}
	case err != nil:
		return blob.Info{}, s.fail(ctx, "write", key, err)
	}
	return written(key, body.read, out.ETag), nil
}

// List yields the objects whose key begins with prefix, in ascending order of key, a page of up to 1,000 at a time.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := s.checkContext(ctx, "list", prefix); err != nil {
			yield(blob.Info{}, err)
			return
		}
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
			Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix),
			EncodingType: types.EncodingTypeUrl, // XML cannot represent every character of a key
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
					continue // the S3 console marks "folders" with keys that end in a slash
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

// Locate returns a signed URL from which the object can be read until shortly after ctx's deadline,
// and not longer than Options.LinkLife.
func (s *Store) Locate(ctx context.Context, key string) (string, error) {
	if _, err := s.Stat(ctx, key); err != nil {
		return "", err
	}
	request, err := s.presign.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + key),
	}, s3.WithPresignExpires(s.linkLife(ctx)))
	if err != nil {
		return "", s.fail(ctx, "sign a link to", key, err)
	}
	return request.URL, nil
}

// linkLife returns how long a link that is made now is valid.
func (s *Store) linkLife(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return s.options.LinkLife
	}
	return min(s.options.LinkLife, max(time.Until(end), 0)+linkSlack)
}

// begin checks key and ctx, and returns the object's name in the bucket. Every call with a key runs it
// first.
func (s *Store) begin(ctx context.Context, op, key string) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", err
	}
	if err := blob.CheckKey(s.prefix + key); err != nil { // the whole name may be too long
		return "", err
	}
	return s.prefix + key, s.checkContext(ctx, op, key)
}

// checkContext returns an error if ctx has ended.
func (s *Store) checkContext(ctx context.Context, op, key string) error {
	if ctx.Err() != nil {
		return s.fail(ctx, op, key, ctx.Err())
	}
	return nil
}

// url returns the object's s3:// URL, for messages.
func (s *Store) url(key string) string { return "s3://" + s.bucket + "/" + s.prefix + key }

// written describes an object that was just stored. S3's response does not contain its time; the two
// clocks differ little.
func written(key string, size int64, etag *string) blob.Info {
	return blob.Info{Key: key, Size: size, Version: aws.ToString(etag), Modified: time.Now().UTC().Truncate(time.Second)}
}

// setRetries sets the number of attempts of every request. The client's backoff stays.
func setRetries(o *s3.Options) {
	o.RetryMaxAttempts = attempts
	// Parts that S3 copied have no checksum to send; the SDK would log that for each.
	o.DisableLogOutputChecksumValidationSkipped = true
}

// owner returns the account that the bucket must belong to; nil is any.
func (s *Store) owner() *string {
	if s.options.Owner == "" {
		return nil
	}
	return &s.options.Owner
}

// expectOwner returns the option of a client that sends the account that a bucket must belong to, in
// every request.
func expectOwner(account string) func(*s3.Options) {
	return func(o *s3.Options) {
		if account != "" {
			o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("x-amz-expected-bucket-owner", account))
		}
	}
}

// contentType returns the media type of an output, for browsers and players. Of other objects it
// returns nil, and S3 uses application/octet-stream.
func contentType(key string) *string {
	byExtension := map[string]string{
		".mp4": "video/mp4", ".m4s": "video/iso.segment", ".m4a": "audio/mp4", ".webm": "video/webm",
		".mkv": "video/x-matroska", ".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml",
		".vtt": "text/vtt", ".json": "application/json", ".jpg": "image/jpeg", ".png": "image/png", ".gif": "image/gif",
		".webp": "image/webp", ".avif": "image/avif", ".exr": "image/x-exr", ".zip": "application/zip",
	}
	if t, ok := byExtension[strings.ToLower(path.Ext(key))]; ok {
		return &t
	}
	return nil
}

// source is the reader of a Put. It counts the bytes read and keeps the reader's error, so that it is
// not taken for an error of S3.
type source struct {
	reader io.Reader
	read   int64
	length int64 // -1 if unknown
	err    error
}

// asSeeker returns s, with a Seek method if the reader's length is known. The uploader then chooses
// parts that are large enough for it.
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
	return s // a pipe, for example, is an *os.File that cannot seek
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.reader.Read(p)
	s.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// seekingSource is a source of known length.
type seekingSource struct {
	*source
	io.Seeker
}
