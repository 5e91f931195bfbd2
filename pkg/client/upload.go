package client

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"mime"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/intake"
)

// Limits of a multipart upload (User Guide, "Amazon S3 multipart upload limits").
const (
	minPart  = 16 << 20 // S3 takes parts from 5 MiB; an interruption loses one of this size for each transfer
	maxParts = 10_000
	// transfers parts are under way at once. Each is read from the file as it is sent, so they take no memory of their size.
	transfers = 4
)

// nvme is the table of CRC-64/NVME, whose polynomial is 0xad93d23594c93659; hash/crc64 wants its bits reversed.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// Transfer is how far an upload or a download is.
type Transfer struct {
	Verb  string // "reading", "uploading", "fetching"
	Done  int64  // bytes
	Total int64
}

// digest identifies the content of a file: CRC-64/NVME of the whole and of each part.
//
// S3 stores this checksum for a whole object, however it was uploaded in parts. So one request tells whether a file is there
// already, and each part that an interrupted upload has left can be compared with the file. A SHA-256 of an object in parts is one
// of the parts' sums, which depends on their size.
type digest struct {
	size, part int64
	whole      uint64
	parts      []uint64
}

// sum returns a checksum as S3 writes it.
func sum(crc uint64) *string {
	return aws.String(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc)))
}

// partSize returns the size of the parts of a file: a whole number of MiB.
func partSize(size int64) int64 {
	const mebibyte = 1 << 20
	return max(minPart, (size/maxParts/mebibyte+1)*mebibyte)
}

// read reads a file and returns its digest.
func read(ctx context.Context, f io.Reader, size int64, observe func(Transfer)) (digest, error) {
	d := digest{size: size, part: partSize(size)}
	buffer := make([]byte, 1<<20)
	var done, inPart int64
	var crc uint64
	for {
		if err := ctx.Err(); err != nil {
			return d, context.Cause(ctx)
		}
		n, err := f.Read(buffer[:min(int64(len(buffer)), d.part-inPart)])
		crc = crc64.Update(crc, nvme, buffer[:n])
		d.whole = crc64.Update(d.whole, nvme, buffer[:n])
		done, inPart = done+int64(n), inPart+int64(n)
		if inPart == d.part || errors.Is(err, io.EOF) && inPart > 0 {
			d.parts = append(d.parts, crc)
			crc, inPart = 0, 0
		}
		observe(Transfer{"reading", done, size})
		if errors.Is(err, io.EOF) {
			if done != size {
				return d, errChanged
			}
			return d, nil
		}
		if err != nil {
			return d, err
		}
	}
}

var errChanged = errors.New("the file is changing")

// Upload copies a file of this machine to where a stack or a server reads sources, and returns its URL, or its path on the server. The
// key or the path has the checksum of the content: a file that is there already is not sent again, and an upload that was interrupted
// is continued, as long as the bucket or the server keeps its parts. observe is called often, from several goroutines.
func (c *Client) Upload(ctx context.Context, path string, observe func(Transfer)) (string, error) {
	if c.cloud == nil {
		return c.uploadToServer(ctx, path, observe)
	}
	f, before, err := openSource(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	d, err := read(ctx, f, before.Size(), observe)
	if err != nil {
		return "", fault.Wrap(fault.KindOf(err), err, "read "+path)
	}
	u := &upload{Client: c, bucket: c.cloud.sources[0].Bucket, file: f, digest: d, observe: observe}
	u.key = intake.Submitted + hex.EncodeToString(binary.BigEndian.AppendUint64(nil, d.whole)) + "/" + keyName(path)
	u.owner = c.owner(u.bucket)
	if t := mime.TypeByExtension(filepath.Ext(path)); t != "" {
		u.contentType = &t
	}
	err = u.run(ctx)
	if after, serr := f.Stat(); hasCode(err, "BadDigest") || serr == nil && (after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime())) {
		err = fault.WithHint(fault.New(fault.Corrupt, "%s changed while it was uploaded", path), "give the same command again when it is complete")
	}
	return "s3://" + u.bucket + "/" + u.key, err
}

// keyName returns the last element of a path as the end of a key: in printable UTF-8.
func keyName(path string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(filepath.Base(path), "_"))
}

// upload is one upload.
type upload struct {
	*Client
	digest

	bucket, key string
	owner       *string // account that the bucket must belong to; nil: any
	contentType *string
	file        io.ReaderAt
	sent        atomic.Int64
	observe     func(Transfer)
}

func (u *upload) run(ctx context.Context) error {
	there, err := u.isThere(ctx)
	if err != nil || there {
		return err
	}
	if u.size <= u.part {
		_, err := u.cloud.s3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &u.bucket, Key: &u.key, ExpectedBucketOwner: u.owner, ContentType: u.contentType, ContentLength: &u.size,
			Body: io.NewSectionReader(u.file, 0, u.size), ChecksumCRC64NVME: sum(u.whole),
		})
		u.progress(u.size)
		return u.fail(err, "upload to "+u.bucket)
	}
	id, parts, err := u.resume(ctx)
	if err != nil {
		return err
	}
	if id == "" {
		out, err := u.cloud.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: &u.bucket, Key: &u.key, ExpectedBucketOwner: u.owner, ContentType: u.contentType,
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject,
		})
		if err != nil {
			return u.fail(err, "upload to "+u.bucket)
		}
		id = aws.ToString(out.UploadId)
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(transfers)
	for i, part := range parts {
		if part.ETag != nil {
			u.progress(u.length(i))
			continue
		}
		group.Go(func() error { return u.send(gctx, id, i, &parts[i]) })
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return u.fail(err, "upload to "+u.bucket)
	}
	_, err = u.cloud.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: &id, ExpectedBucketOwner: u.owner, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		ChecksumType: types.ChecksumTypeFullObject, ChecksumCRC64NVME: sum(u.whole), MpuObjectSize: &u.size,
	})
	return u.fail(err, "upload to "+u.bucket)
}

// length returns the size of the i-th part.
func (u *upload) length(i int) int64 { return min(u.part, u.size-int64(i)*u.part) }

// isThere reports whether the object is there with the content of the file.
func (u *upload) isThere(ctx context.Context) (bool, error) {
	have, err := u.cloud.s3.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &u.bucket, Key: &u.key, ExpectedBucketOwner: u.owner, ChecksumMode: types.ChecksumModeEnabled,
	})
	switch err := u.fail(err, "look into "+u.bucket); {
	case fault.KindOf(err) == fault.NotFound:
		return false, nil //nolint:nilerr // that is the answer
	case err != nil:
		return false, err
	}
	return aws.ToInt64(have.ContentLength) == u.size && aws.ToString(have.ChecksumCRC64NVME) == *sum(u.whole), nil
}

// resume looks for an upload of the file that was interrupted. It returns its ID, or "", and the parts of the file: those that are
// there with the content of the file have an ETag.
func (u *upload) resume(ctx context.Context) (id string, parts []types.CompletedPart, err error) {
	parts = make([]types.CompletedPart, len(u.parts))
	for i := range parts {
		parts[i] = types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ChecksumCRC64NVME: sum(u.parts[i])}
	}
	open, err := u.cloud.s3.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &u.bucket, Prefix: &u.key, ExpectedBucketOwner: u.owner})
	if err != nil {
		return "", nil, u.fail(err, "look for interrupted uploads in "+u.bucket)
	}
	var newest time.Time
	for _, o := range open.Uploads {
		if aws.ToString(o.Key) == u.key && !aws.ToTime(o.Initiated).Before(newest) {
			id, newest = aws.ToString(o.UploadId), aws.ToTime(o.Initiated)
		}
	}
	if id == "" {
		return "", parts, nil
	}
	pages := s3.NewListPartsPaginator(u.cloud.s3, &s3.ListPartsInput{Bucket: &u.bucket, Key: &u.key, UploadId: &id, ExpectedBucketOwner: u.owner})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", nil, u.fail(err, "look for interrupted uploads in "+u.bucket)
		}
		for _, p := range page.Parts {
			i := int(aws.ToInt32(p.PartNumber)) - 1
			if i >= 0 && i < len(parts) && aws.ToInt64(p.Size) == u.length(i) && aws.ToString(p.ChecksumCRC64NVME) == *parts[i].ChecksumCRC64NVME {
				parts[i].ETag = p.ETag
			}
		}
	}
	return id, parts, nil
}

// send uploads the i-th part.
func (u *upload) send(ctx context.Context, id string, i int, part *types.CompletedPart) error {
	out, err := u.cloud.s3.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: &id, PartNumber: part.PartNumber, ExpectedBucketOwner: u.owner,
		ContentLength: aws.Int64(u.length(i)), Body: io.NewSectionReader(u.file, int64(i)*u.part, u.length(i)), ChecksumCRC64NVME: part.ChecksumCRC64NVME,
	})
	if err != nil {
		return err
	}
	part.ETag = out.ETag
	u.progress(u.length(i))
	return nil
}

func (u *upload) progress(n int64) { u.observe(Transfer{"uploading", u.sent.Add(n), u.size}) }

// Locate returns the URL of an object of a stack that a user names: an s3:// URL, which must lie in one of the stack's places, or
// a path in the first of them.
func (c *Client) Locate(text string, destination bool) (string, error) {
	places, what := c.cloud.sources, "sources"
	if destination {
		places, what = c.cloud.destinations, "outputs"
	}
	if strings.HasPrefix(text, "s3://") {
		var list []string
		for _, p := range places {
			if strings.HasPrefix(text, p.String()) && !strings.Contains(text+"/", "/../") {
				return text, nil
			}
			list = append(list, p.String())
		}
		return "", fmt.Errorf("%s does not lie where this stack has its %s: %s", text, what, strings.Join(list, ", "))
	}
	if i := strings.Index(text, "://"); i > 0 {
		return "", fmt.Errorf("%s is neither an s3:// URL nor a path", text)
	}
	to := places[0]
	if to.Prefix == "" && destination {
		to.Prefix = "out/"
	}
	path := filepath.ToSlash(filepath.Clean(text))
	if !filepath.IsLocal(text) {
		return "", fmt.Errorf("%s does not lie below %s: give a relative path, or an s3:// URL", text, to)
	}
	return to.String() + path, nil
}

// Identity returns what tells the content of an object of a stack from that of an earlier one.
func (c *Client) Identity(ctx context.Context, url string) (string, error) {
	bucket, key, err := splitURL(url)
	if err != nil {
		return "", err
	}
	out, err := c.head(ctx, bucket, key)
	if fault.KindOf(err) == fault.NotFound {
		err = fault.New(fault.NotFound, "source %s does not exist", url)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprint(aws.ToString(out.ETag), aws.ToInt64(out.ContentLength)), nil
}
