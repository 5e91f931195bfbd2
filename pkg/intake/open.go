package intake

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo"
	"github.com/mapreel/mapreel/pkg/origin"
)

// Variables that Open reads. infra sets them.
const (
	MachineVariable      = "MAPREEL_MACHINE"      // ARN of the state machine
	TableVariable        = "MAPREEL_TABLE"        // name of the ledger's table
	SourcesVariable      = "MAPREEL_SOURCES"      // places, as ParsePlaces reads them
	DestinationsVariable = "MAPREEL_DESTINATIONS" // likewise
	TopicVariable        = "MAPREEL_TOPIC"        // ARN of the topic for messages; may be empty
	// DeploymentVariable holds the sizes of the workers, for estimates. Open does not read it; filmjob.ParseDeployment does.
	DeploymentVariable = "MAPREEL_DEPLOYMENT"
)

// Open connects a service with AWS, as the environment says. Its error is of kind Internal.
func Open(ctx context.Context, getenv func(string) string) (*Service, error) {
	s, err := open(ctx, getenv)
	return s, fault.Wrap(fault.Internal, err, "settings of the deployment")
}

func open(ctx context.Context, getenv func(string) string) (*Service, error) {
	conf, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	s := &Service{Region: conf.Region}
	if s.Executions, err = NewExecutions(sfn.NewFromConfig(conf), getenv(MachineVariable)); err != nil {
		return nil, fmt.Errorf("%s: %w", MachineVariable, err)
	}
	if s.Sources, err = ParsePlaces(getenv(SourcesVariable)); err != nil {
		return nil, fmt.Errorf("%s: %w", SourcesVariable, err)
	}
	if s.Destinations, err = ParsePlaces(getenv(DestinationsVariable)); err != nil {
		return nil, fmt.Errorf("%s: %w", DestinationsVariable, err)
	}
	if s.Web, err = origin.ParseWebRoots(getenv(origin.WebRootsVariable)); err != nil {
		return nil, fmt.Errorf("%s: %w", origin.WebRootsVariable, err)
	}
	table := getenv(TableVariable)
	if table == "" {
		return nil, fmt.Errorf("%s is not set", TableVariable)
	}
	s.Ledger = dynamo.New(dynamodb.NewFromConfig(conf), table)
	owners, err := s3blob.ParseOwners(getenv(s3blob.AccountVariable), getenv(s3blob.OwnersVariable))
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", s3blob.AccountVariable, s3blob.OwnersVariable, err)
	}
	client := s3.NewFromConfig(conf)
	web := origin.New(origin.Settings{Roots: s.Web})
	s.Resolve = func(ctx context.Context, url string) (blob.Store, string, error) {
		if origin.Below(url, s.Web) {
			return web.Resolve(ctx, url)
		}
		bucket, key, _ := strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
		if bucket == "" || key == "" {
			return nil, "", fault.New(fault.Invalid, "%q is not of the form s3://bucket/key", url)
		}
		store, err := s3blob.New(client, bucket, "", s3blob.Options{Owner: owners.Of(bucket)})
		return store, key, err
	}
	if topic := getenv(TopicVariable); topic != "" {
		s.Publish = publisher(sns.NewFromConfig(conf), topic)
	}
	return s, nil
}

// maxMessage is below SNS's limit of 256 KiB for a message (API reference, Publish).
const maxMessage = 250 << 10

func publisher(client *sns.Client, topic string) func(ctx context.Context, subject, text string) error {
	return func(ctx context.Context, subject, text string) error {
		if len(text) > maxMessage {
			text = strings.ToValidUTF8(text[:maxMessage], "")
		}
		_, err := client.Publish(ctx, &sns.PublishInput{TopicArn: &topic, Subject: aws.String(subject), Message: &text})
		return classify(err, "publish to "+topic)
	}
}
