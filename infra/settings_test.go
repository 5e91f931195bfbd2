package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettingsHaveDefaults(t *testing.T) {
	got, err := parseSettings(map[string]any{"aws:cdk:enable-path-metadata": true})
	if err != nil {
		t.Fatal(err)
	}
	want := settings{scratch: "efs", batch: true, batchNetwork: "public", arch: "x86_64", compute: got.compute} // see compute_test.go
	want.placement = placement{stackName: "mapreel", logDays: 30, cidr: netip.MustParsePrefix("10.0.0.0/16")}
	want.outside = outside{apiRate: 10, delivery: "none"}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{}, placement{}, outside{}, compute{}, keys{}, blender{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestBatchNeedsANetworkAndIsLeftOutWhereThereIsNone(t *testing.T) {
	for _, c := range []struct {
		name    string
		context map[string]any
		want    bool
	}{
		{"a file system brings a network", map[string]any{"scratch": "efs"}, true},
		{"scratch in S3 brings none", map[string]any{"scratch": "s3"}, false},
		{"a GPU needs Batch", map[string]any{"scratch": "s3", "gpu": "true"}, true},
		{"asked for", map[string]any{"scratch": "s3", "batch": "true"}, true},
		{"refused", map[string]any{"batch": "false"}, false},
		{"refused in cdk.json", map[string]any{"batch": false}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseSettings(c.context)
			if err != nil || got.batch != c.want {
				t.Errorf("batch %v, error %v; want %v", got.batch, err, c.want)
			}
		})
	}
}

func TestSettingsReadLists(t *testing.T) {
	for name, value := range map[string]any{"text": "one-bucket, another-bucket", "list": []any{"one-bucket", "another-bucket"}} {
		got, err := parseSettings(map[string]any{"sourceBuckets": value})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]string{"one-bucket", "another-bucket"}, got.sourceBuckets); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestABadSettingIsOneClearError(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"scratch", "nfs", "scratch=nfs: choose efs or s3"},
		{"arch", "x86", "arch=x86: choose x86_64 or arm64"},
		{"gpu", "yes", "gpu=yes: choose true or false"},
		{"batchNetwork", "private", "choose public or isolated"},
		{"imageUri", "docker.io/mapreel:v1", "is not an image in ECR"},
		{"imageUri", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mapreel", "is not an image in ECR"},
		{"sourceBuckets", "s3://films", "cannot be the name of a bucket"},
		{"destinationBuckets", "films,films", "is listed twice"},
		{"webSources", "http://example.com/films/", "is not an https URL that ends with a slash"},
		{"webSources", "https://example.com/films", "is not an https URL that ends with a slash"},
		{"webSources", "https://user@example.com/", "is not an https URL that ends with a slash"},
		{"packages", "2026 11", "give a date or another word"},
		{"baseImage", "alpine:3.20", "give an image of Debian"},
		{"render", "yes", "render=yes: choose true or false"},
		{"render", "true", "render=true needs scratch=s3: on Lambda nothing keeps Blender from a file system that jobs share"},
		{"renderMemory", "512", "renderMemory=512: give a whole number from 1769 to 10240"},
		{"blenderUrl", "https://example.com/blender.tar.xz", "have no effect without render=true"},
		{"bucketAccounts", "films", "is not a bucket and the ID of its AWS account"},
		{"bucketAccounts", "films:210987654321", "films is in neither sourceBuckets nor destinationBuckets"},
		{"encodeConcurrency", "0", "give a positive number"},
		{"sratch", "s3", "-c sratch: no such choice; the choices are: api, apiAudience, apiIssuer, apiRate, arch, baseImage, batch, "},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			_, err := parseSettings(map[string]any{c.name: c.value})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v; want one line with %q", err, c.want)
			}
		})
	}
}

var someDigest = strings.Repeat("0a", 32)

func TestSettingsThatContradictEachOtherAreRefused(t *testing.T) {
	for _, context := range []map[string]any{
		{"gpu": "true", "batch": "false"},
		{"gpu": "true", "arch": "arm64"},
		{"batchNetwork": "isolated", "batch": "false"},
		{"batchNetwork": "isolated", "scratch": "s3"},
		{"imageUri": someImage, "packages": "2026-11-28"},
		{"webSources": "https://example.com/"}, // functions with a file system have no route to it
		{"webSources": "https://example.com/", "scratch": "s3", "batch": "true", "batchNetwork": "isolated"},
		{"webSources": "https://example.com/,https://example.com/", "scratch": "s3"},
		{"webSources": "https://example.com:8443/", "scratch": "s3"},
		{"imageUri": someImage, "baseImage": "debian:trixie-slim"},
		{"render": "true", "scratch": "efs"},
		{"render": "true", "scratch": "s3", "blenderUrl": "http://example.com/blender.tar.xz", "blenderChecksum": someDigest},
		{"render": "true", "scratch": "s3", "blenderUrl": "https://example.com/blender.tar.xz"},
		{"render": "true", "scratch": "s3", "blenderUrl": "https://example.com/blender.tar.xz", "blenderChecksum": someDigest, "imageUri": someImage},
		{"render": "true", "scratch": "s3", "blenderUrl": "https://example.com/blender.tar.xz", "blenderChecksum": someDigest, "arch": "arm64"},
	} {
		if s, err := parseSettings(context); err == nil {
			t.Errorf("%v is accepted as %+v", context, s)
		}
	}
}

func TestAnImageOfAnotherRegionIsRefused(t *testing.T) {
	for _, c := range []struct {
		image, region string
		refused       bool
	}{{someImage, "eu-west-1", false}, {someImage, "us-east-1", true}, {someImage, "", false}, {"", "us-east-1", false}} {
		err := settings{imageURI: c.image}.checkRegion(c.region)
		if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "is in eu-west-1 and the deployment in us-east-1") {
			t.Errorf("the image %q in %q: error %v, want one: %v", c.image, c.region, err, c.refused)
		}
	}
}
