package lambdafn

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/work"
)

// When units get a second try. A function that waits is billed, and reads all units of the job each time: so one in fifty does, and not
// for units that are short anyway.
const (
	twinLeast = 10 * time.Second
	twinEvery = 5 * time.Second
	twinShare = 50
)

// newEngine connects the engine with AWS. Region, credentials and endpoints are the SDK's own settings.
func newEngine(ctx context.Context, s Settings, registry work.Registry, t *traffic) (*engine.Engine, error) {
	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "settings of AWS")
	}
	if aws.Region == "" { // on EC2, beneath Batch, older ECS agents do not set it (amazon-ecs-agent #3106)
		return nil, fault.New(fault.Internal, "settings of the deployment: AWS_REGION is not set")
	}
	countTraffic(&aws, t)
	// One client for all: stores that share it have S3 copy between them.
	client := s3.NewFromConfig(aws)
	items, err := s3blob.New(client, s.Bucket, "", s3blob.Options{Owner: s.Owners.Of(s.Bucket)})
	if err != nil {
		return nil, err
	}
	var scratch blob.Store = items
	if s.Scratch != "" {
		if scratch, err = dir.New(s.Scratch); err != nil {
			return nil, err
		}
	}
	var announce func(context.Context, string, []work.Announcement) error
	if s.Bus != "" {
		announce = announcer{eventbridge.NewFromConfig(aws), s.Bus}.announce
	}
	return &engine.Engine{
		Registry: registry,
		Ledger:   dynamo.New(dynamodb.NewFromConfig(aws), s.Table),
		Scratch:  scratch,
		Items:    items, Bucket: s.Bucket,
		Resolve:  resolver(client, s),
		Announce: announce, Twins: &engine.Twins{Least: twinLeast, Every: twinEvery, Share: twinShare, InRun: true},
		Temp: os.TempDir(), Queues: &s.Queues, Limits: s.Limits, Lifetime: s.Lifetime, Processors: s.Processors, Concurrency: s.Concurrency,
	}, nil
}

// resolver finds objects in S3, and files of the web servers that the deployment names.
func resolver(client *s3.Client, s Settings) work.Resolver {
	web := origin.New(origin.Settings{Roots: s.Web}) // until the process ends
	return func(ctx context.Context, url string) (blob.Store, string, error) {
		if origin.Below(url, s.Web) {
			return web.Resolve(ctx, url)
		}
		if origin.OnWeb(url) {
			return nil, "", notServed(s.Web)
		}
		bucket, key, err := parseURL(url)
		if err != nil {
			return nil, "", err
		}
		store, err := s3blob.New(client, bucket, "", s3blob.Options{Owner: s.Owners.Of(bucket)})
		return store, key, err
	}
}

// notServed is the error of a source on a web server that is not below a root of the deployment. It does not repeat the address, in
// which there may be a secret.
func notServed(roots []string) error {
	hint := "on AWS sources lie in S3; the setting webSources of a deployment names web servers, too"
	if len(roots) > 0 {
		hint = "on AWS sources lie in S3, or below " + strings.Join(roots, ", ")
	}
	return fault.WithHint(fault.New(fault.Invalid, "this deployment does not read the address of the source"), hint)
}

// parseURL returns bucket and key of s3://bucket/key. Nothing in the key is escaped.
func parseURL(url string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(url, "s3://")
	bucket, key, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" || key == "" {
		return "", "", fault.WithHint(fault.New(fault.Invalid, "%q is not of the form s3://bucket/key", url),
			"on AWS sources and destinations lie in S3")
	}
	return bucket, key, nil
}
