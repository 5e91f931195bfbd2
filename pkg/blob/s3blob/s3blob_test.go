package s3blob_test

import (
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/blobtest"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
)

func TestMain(m *testing.M) {
	s3test.ServeInChild()
	os.Exit(m.Run())
}

func newStore(t *testing.T, client *s3.Client, bucket, prefix string) *s3blob.Store {
	t.Helper()
	s, err := s3blob.New(client, bucket, prefix, s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoreKeepsTheContract(t *testing.T) {
	server := s3test.Start(t)
	client := server.Client(nil)
	for name, prefix := range map[string]string{"whole bucket": "", "under a prefix": "some folder/of #1%/"} {
		t.Run(name, func(t *testing.T) {
			blobtest.Run(t, func(t *testing.T) blob.Store {
				return newStore(t, client, server.NewBucket(t), prefix)
			})
		})
	}
}
