package client

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // S3's ETag of an object that was written at once
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// checksum is that of a whole file.
type checksum struct {
	name string
	hash hash.Hash // of what was read so far
	want []byte
}

func (c *checksum) right() bool { return bytes.Equal(c.hash.Sum(nil), c.want) }

// objects returns the objects of an output.
func (c *Client) objects(ctx context.Context, facts film.OutputFacts) (files []remoteFile, err error) {
	for _, url := range []string{facts.URL, facts.Manifest} {
		if url == "" {
			continue
		}
		bucket, key, err := splitURL(url)
		if err != nil {
			return nil, err
		}
		head, err := c.head(ctx, bucket, key)
		if err != nil {
			return nil, err
		}
		files = append(files, c.object(bucket, key, aws.ToInt64(head.ContentLength), aws.ToString(head.ETag), aws.ToTime(head.LastModified)))
	}
	if facts.Folder == "" {
		return files, nil
	}
	bucket, prefix, err := splitURL(strings.TrimSuffix(facts.Folder, "/") + "/")
	if err != nil {
		return nil, err
	}
	pages := s3.NewListObjectsV2Paginator(c.cloud.s3, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix, ExpectedBucketOwner: c.owner(bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, c.fail(err, "list "+facts.Folder)
		}
		for _, o := range page.Contents {
			if key := aws.ToString(o.Key); !strings.HasSuffix(key, "/") { // not the marker of a folder
				files = append(files, c.object(bucket, key, aws.ToInt64(o.Size), aws.ToString(o.ETag), aws.ToTime(o.LastModified)))
			}
		}
	}
	return files, nil
}

func splitURL(url string) (bucket, key string, err error) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
	if !strings.HasPrefix(url, "s3://") || bucket == "" || key == "" {
		return "", "", fault.New(fault.Corrupt, "output %s is not an s3:// URL", url)
	}
	return bucket, key, nil
}

// owner returns the account that a bucket must belong to; nil is any.
func (c *Client) owner(bucket string) *string {
	if owner := c.cloud.owners.Of(bucket); owner != "" {
		return &owner
	}
	return nil
}

func (c *Client) head(ctx context.Context, bucket, key string) (*s3.HeadObjectOutput, error) {
	out, err := c.cloud.s3.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &bucket, Key: &key, ExpectedBucketOwner: c.owner(bucket), ChecksumMode: types.ChecksumModeEnabled,
	})
	return out, c.fail(err, "s3://"+bucket+"/"+key)
}

// object returns an object as a file.
func (c *Client) object(bucket, key string, size int64, etag string, modified time.Time) remoteFile {
	return remoteFile{
		name: "s3://" + bucket + "/" + key, size: size, version: etag, modified: modified,
		open: func(ctx context.Context, offset int64) (io.ReadCloser, *checksum, error) {
			head, err := c.head(ctx, bucket, key)
			if err != nil {
				return nil, nil, err
			}
			sum := objectChecksum(head)
			if offset == size {
				return io.NopCloser(strings.NewReader("")), sum, nil
			}
			in := &s3.GetObjectInput{Bucket: &bucket, Key: &key, ExpectedBucketOwner: c.owner(bucket), IfMatch: &etag}
			if offset > 0 {
				in.Range = aws.String("bytes=" + strconv.FormatInt(offset, 10) + "-")
			}
			out, err := c.cloud.s3.GetObject(ctx, in)
			if hasCode(err, "PreconditionFailed") {
				return nil, nil, fault.WithHint(fault.New(fault.Corrupt, "s3://%s/%s was replaced while it was fetched", bucket, key), "give the same command again")
			}
			if err != nil {
				return nil, nil, c.fail(err, "fetch s3://"+bucket+"/"+key)
			}
			return out.Body, sum, nil
		},
	}
}

// objectChecksum returns the checksum of a whole object, nil if S3 has only those of its parts.
func objectChecksum(head *s3.HeadObjectOutput) *checksum {
	if head.ChecksumType != types.ChecksumTypeComposite {
		for _, c := range []struct {
			value *string
			name  string
			hash  func() hash.Hash
		}{
			{head.ChecksumSHA256, "SHA-256", sha256.New},
			{head.ChecksumCRC64NVME, "CRC-64/NVME", func() hash.Hash { return crc64.New(nvme) }},
			{head.ChecksumCRC32C, "CRC-32C", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
			{head.ChecksumCRC32, "CRC-32", func() hash.Hash { return crc32.NewIEEE() }},
		} {
			want, err := base64.StdEncoding.DecodeString(aws.ToString(c.value))
			if err == nil && len(want) > 0 {
				return &checksum{c.name, c.hash(), want}
			}
		}
	}
	// The ETag of an object that was written at once is its MD5, unless a key of KMS or of the customer encrypts it.
	want, err := hex.DecodeString(strings.Trim(aws.ToString(head.ETag), `"`))
	if err == nil && len(want) == md5.Size && head.SSEKMSKeyId == nil && head.SSECustomerAlgorithm == nil {
		return &checksum{"MD5", md5.New(), want} //nolint:gosec // see above
	}
	return nil
}
