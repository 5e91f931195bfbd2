package s3blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Compose publishes an object that consists of parts. S3 copies ranges of 5 MiB or more from stores
// that were made with the same client. The rest is streamed through this process, up to
// Options.Gathers upload parts at a time. Each of them holds a few connection buffers, whatever its
// size.
func (s *Store) Compose(ctx context.Context, key string, parts []blob.Part) (blob.Info, error) {
	name, err := s.begin(ctx, "compose", key)
	if err == nil {
		err = s.checkAbsent(ctx, key)
	}
	if err != nil {
		return blob.Info{}, err
	}
	size, err := blob.CheckParts(parts)
	if err != nil {
		return blob.Info{}, err
	}
	plan, err := planUpload(parts, size, s.canCopy)
	if err != nil {
		return blob.Info{}, s.fail(ctx, "compose", key, err)
	}
	var etag *string
	if len(plan) == 0 || len(plan) == 1 && !plan[0].copied {
		etag, err = s.putWhole(ctx, name, key, plan)
	} else {
		etag, err = s.upload(ctx, name, key, plan)
	}
	if err != nil {
		return blob.Info{}, s.fail(ctx, "compose", key, err)
	}
	return written(key, size, etag), nil
}

// canCopy reports whether S3 can read the part's object with the credentials of s.
func (s *Store) canCopy(p blob.Part) bool {
	from, ok := p.From.(*Store)
	return ok && from.base == s.base
}

// putWhole writes an object that fits into one request.
func (s *Store) putWhole(ctx context.Context, name, key string, plan []uploadPart) (*string, error) {
	var whole uploadPart
	if len(plan) > 0 {
		whole = plan[0]
	}
	body := gather(ctx, whole)
	out, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &name, Body: body, ContentLength: &whole.size, ContentType: contentType(key), CacheControl: s.cacheControl,
	})
	if err := cmp.Or(body.finish(), err); err != nil {
		return nil, err
	}
	return out.ETag, nil
}

// upload makes a multipart upload. If it fails, it removes the parts that S3 already holds.
func (s *Store) upload(ctx context.Context, name, key string, plan []uploadPart) (etag *string, err error) {
	created, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: &name, ContentType: contentType(key), CacheControl: s.cacheControl,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.abort(ctx, name, created.UploadId))
		}
	}()
	done := make([]types.CompletedPart, len(plan))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(s.options.Copies)
	gathering := make(chan struct{}, s.options.Gathers)
	for i, p := range plan {
		group.Go(func() error {
			number := int32(i + 1) //nolint:gosec // at most maxParts
			tag, err := s.sendPart(groupCtx, name, created.UploadId, number, p, gathering)
			done[i] = types.CompletedPart{PartNumber: &number, ETag: tag}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	completed, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &s.bucket, Key: &name, UploadId: created.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	if err != nil {
		return nil, err
	}
	return completed.ETag, nil
}

// abort removes the parts of a failed upload, even if it failed because the context ended.
func (s *Store) abort(ctx context.Context, name string, upload *string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &s.bucket, Key: &name, UploadId: upload,
	})
	if err != nil && codeOf(err) != "NoSuchUpload" {
		return fmt.Errorf("remove the parts of the upload: %w", err)
	}
	return nil
}

// sendPart uploads one part, or has S3 copy it.
func (s *Store) sendPart(
	ctx context.Context, name string, upload *string, number int32, p uploadPart, gathering chan struct{},
) (*string, error) {
	if p.copied {
		return s.copyRange(ctx, name, upload, number, p.parts[0])
	}
	select {
	case gathering <- struct{}{}:
		defer func() { <-gathering }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	body := gather(ctx, p)
	out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &s.bucket, Key: &name, UploadId: upload, PartNumber: &number, Body: body, ContentLength: &p.size,
	})
	if err := cmp.Or(body.finish(), err); err != nil { // the source's error first: the SDK's may hide it
		return nil, err
	}
	return out.ETag, nil
}

func (s *Store) copyRange(ctx context.Context, name string, upload *string, number int32, p blob.Part) (*string, error) {
	from := p.From.(*Store)
	out, err := s.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
		Bucket: &s.bucket, Key: &name, UploadId: upload, PartNumber: &number,
		CopySource:                aws.String(escape(from.bucket + "/" + from.prefix + p.Key)),
		ExpectedSourceBucketOwner: from.owner(),
		CopySourceRange:           aws.String(fmt.Sprintf("bytes=%d-%d", p.Offset, p.Offset+p.Length-1)),
	})
	if err != nil {
		return nil, from.copyFailed(ctx, p, err)
	}
	if out.CopyPartResult == nil || out.CopyPartResult.ETag == nil {
		return nil, fault.New(fault.Transient, "S3 did not confirm that it copied %s", from.url(p.Key))
	}
	return out.CopyPartResult.ETag, nil
}

// copyFailed returns the error of a failed copy, which names the source. S3 answers a range beyond the
// object's end with one of several codes.
func (s *Store) copyFailed(ctx context.Context, p blob.Part, err error) error {
	if code := codeOf(err); code == "InvalidRange" || code == "InvalidArgument" || code == "InvalidRequest" {
		if info, statErr := s.Stat(ctx, p.Key); statErr == nil && info.Size < p.Offset+p.Length {
			return errTooShort(p, info.Size-p.Offset)
		}
	}
	return s.fail(ctx, "copy", p.Key, err)
}

// errTooShort returns the error of a part that extends beyond the end of its object. Only got of its
// bytes exist.
func errTooShort(p blob.Part, got int64) error {
	return fault.New(fault.Corrupt, "%q ends after %d of the %d bytes at %d", p.Key, max(got, 0), p.Length, p.Offset)
}

// escape encodes a copy source as S3 decodes it: every character except slashes and the characters
// that URLs never encode.
func escape(name string) string {
	return strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(name))
}
