package s3blob

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// deletions is the number of objects that one request may delete (API Reference, DeleteObjects).
const deletions = 1000

// DeleteAll removes the objects at keys, a thousand with each request. Objects that do not exist are not an error. See
// blob.DeleteAll.
func (s *Store) DeleteAll(ctx context.Context, keys []string) error {
	for chunk := range slices.Chunk(keys, deletions) {
		objects := make([]types.ObjectIdentifier, len(chunk))
		for i, key := range chunk {
			name, err := s.begin(ctx, "delete", key)
			if err != nil {
				return err
			}
			objects[i].Key = &name
		}
		out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: &s.bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return s.fail(ctx, "delete", chunk[0], err)
		}
		for _, e := range out.Errors {
			if code := aws.ToString(e.Code); code != "NoSuchKey" {
				return s.fail(ctx, "delete", aws.ToString(e.Key), &refused{code, aws.ToString(e.Message)})
			}
		}
	}
	return nil
}

// refused is the error of one object of a request that succeeded otherwise. It has the methods of smithy.APIError.
type refused struct{ code, message string }

func (e *refused) Error() string                 { return e.code + ": " + e.message }
func (e *refused) ErrorCode() string             { return e.code }
func (e *refused) ErrorMessage() string          { return e.message }
func (e *refused) ErrorFault() smithy.ErrorFault { return smithy.FaultUnknown }

// abandoned is the age of an upload in parts whose worker is surely gone: four attempts at the longest Batch job.
const abandoned = 24 * time.Hour

// Sweep removes the parts of uploads that began a day ago or earlier under keys that begin with prefix, and returns how many
// there were. A worker that is killed leaves them; S3 does not list them as objects, but charges for them.
func (s *Store) Sweep(ctx context.Context, prefix string) (int, error) {
	return s.sweep(ctx, prefix, time.Now().Add(-abandoned))
}

func (s *Store) sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	if err := s.checkContext(ctx, "list uploads", prefix); err != nil {
		return 0, err
	}
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{
		Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix),
	})
	removed := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return removed, s.fail(ctx, "list uploads", prefix, err)
		}
		for _, u := range page.Uploads {
			if !aws.ToTime(u.Initiated).Before(before) {
				continue
			}
			if err := s.abort(ctx, aws.ToString(u.Key), u.UploadId); err != nil {
				return removed, s.fail(ctx, "abort the upload of", aws.ToString(u.Key), errors.Unwrap(err))
			}
			removed++
		}
	}
	return removed, nil
}
