package s3blob_test

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob/s3blob"
)

func TestABucketsOwnerIsTheDeploymentUnlessAnotherIsNamed(t *testing.T) {
	const own, other = "123456789012", "210987654321"
	for _, test := range []struct{ account, others, bucket, want string }{
		{own, "", "films", own},
		{own, "films:" + other + ", more:" + own, "films", other},
		{own, "films:" + other, "finished", own},
		{"", "", "films", ""},
	} {
		owners, err := s3blob.ParseOwners(test.account, test.others)
		if err != nil {
			t.Fatal(err)
		}
		if got := owners.Of(test.bucket); got != test.want {
			t.Errorf("%+v: %q, want %q", test, got, test.want)
		}
	}
	for _, bad := range []struct{ account, others, want string }{
		{"1234", "", "12 digits"},
		{own, "films", "such as films:123456789012"},
		{own, "films:me", "such as"},
		{own, ":" + other, "such as"},
		{own, "films:" + other + ",", "such as"},
		{own, "films:" + own + ",films:" + other, "twice"},
	} {
		if _, err := s3blob.ParseOwners(bad.account, bad.others); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%+v: error %v", bad, err)
		}
	}
}
