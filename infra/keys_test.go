package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeysOfBucketsAreSettings(t *testing.T) {
	got, err := parseSettings(object{
		"kmsKey": someKey + "0", "sourceBuckets": "films", "sourceKeys": someKey + "1, " + someKey + "2",
		"destinationBuckets": "finished", "destinationKeys": someKey + "1",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := keys{own: someKey + "0", sources: []string{someKey + "1", someKey + "2"}, destinations: []string{someKey + "1"}}
	if diff := cmp.Diff(want, got.keys, cmp.AllowUnexported(keys{})); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		context object
		want    string
	}{
		{object{"kmsKey": "alias/media"}, "kmsKey=alias/media is not the ARN of a key in KMS"},
		{object{"kmsKey": "arn:aws:kms:eu-west-1:123456789012:alias/media"}, "is an alias; give the ARN of its key"},
		{object{"sourceKeys": someKey}, "sourceKeys are of existing buckets; add sourceBuckets, or give kmsKey for the media bucket"},
		{object{"destinationKeys": someKey}, "destinationKeys are of existing buckets"},
		{object{"sourceBuckets": "films", "sourceKeys": someKey + "," + someKey}, "is listed twice"},
	} {
		if _, err := parseSettings(c.context); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: error %v, want one line with %q", c.context, err, c.want)
		}
	}
}

func TestAKeyEncryptsWhatTheStackMakes(t *testing.T) {
	for name, b := range synth(t, object{"scratch": "s3", "kmsKey": someKey + "0"}).of("AWS::S3::Bucket") {
		rule := props(b)["BucketEncryption"].(object)["ServerSideEncryptionConfiguration"].([]any)[0].(object)
		by := rule["ServerSideEncryptionByDefault"].(object)
		if got := fmt.Sprint(by["SSEAlgorithm"], " ", by["KMSMasterKeyID"], " ", rule["BucketKeyEnabled"]); got != "aws:kms "+someKey+"0 true" {
			t.Errorf("%s is encrypted by %s", name, got)
		}
	}
	files := synth(t, object{"kmsKey": someKey + "0"}).named(t, "AWS::EFS::FileSystem", "FileSystem")
	if got := props(files)["KmsKeyId"]; got != someKey+"0" {
		t.Errorf("the file system is encrypted by %v", got)
	}
}
